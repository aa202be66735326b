-- name: standings
-- Rule, stop and open refill of every wallet of one account in one read, because a live page asks for all of them at each change.
SELECT wallet.id, coalesce(rule.automatic, false), rule.refill_amount, rule.minimum_before_refill,
       coalesce(stop.reason, ''), stop.since_at, stop.until_at, refill.amount, refill.state
FROM wallet
LEFT JOIN refill_rule AS rule ON rule.account_id = wallet.account_id AND rule.wallet_id = wallet.id
LEFT JOIN refill_stop AS stop ON stop.account_id = wallet.account_id AND stop.wallet_id = wallet.id
LEFT JOIN refill ON refill.account_id = wallet.account_id AND refill.wallet_id = wallet.id
                AND refill.state = ANY(%(open_states)s::text[])
WHERE wallet.account_id = %(account_id)s
