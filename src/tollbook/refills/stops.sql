-- name: show
-- The stop of a due wallet; an unchanged one is not written again, and since_at stays for as long as the code does.
INSERT INTO refill_stop (account_id, wallet_id, code, reason, since_at, until_at)
VALUES (%(account_id)s, %(wallet_id)s, %(code)s, %(reason)s, %(since_at)s, %(until_at)s)
ON CONFLICT (account_id, wallet_id) DO UPDATE
SET code = excluded.code, reason = excluded.reason, until_at = excluded.until_at,
    since_at = CASE WHEN refill_stop.code = excluded.code THEN refill_stop.since_at ELSE excluded.since_at END
WHERE (refill_stop.code, refill_stop.reason, refill_stop.until_at) IS DISTINCT FROM (excluded.code, excluded.reason, excluded.until_at)

-- name: clear_gone
-- Stops of wallets that are not due any more; a tripped breaker's stays until a person releases it.
DELETE FROM refill_stop s
WHERE NOT EXISTS (
    SELECT FROM refill_rule r JOIN wallet w ON w.account_id = r.account_id AND w.id = r.wallet_id
    WHERE r.account_id = s.account_id AND r.wallet_id = s.wallet_id
      AND (r.tripped_at IS NOT NULL
           OR r.automatic AND w.paid + w.granted <= r.minimum_before_refill
              AND NOT EXISTS (SELECT FROM refill o WHERE o.account_id = r.account_id AND o.wallet_id = r.wallet_id
                              AND o.state IN ('decided', 'charging', 'unknown', 'action_required'))))
RETURNING s.account_id
