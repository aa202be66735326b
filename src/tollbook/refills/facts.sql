-- name: standing
-- The time, the kill switch, and the wallet's newest movement that is neither a refill nor a correction of usage, which only gives back (its chain's order is the order of truth).
SELECT clock_timestamp(), s.is_on, s.reason, t.kind, t.posted_at
FROM (SELECT) AS one
LEFT JOIN operator_switch s ON s.name = 'refills'
LEFT JOIN LATERAL (
    SELECT kind, posted_at FROM transfer
    WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s AND kind NOT IN ('refill', 'reversal')
    ORDER BY wallet_seq DESC LIMIT 1) t ON true

-- name: take_turn
-- Decisions about money follow each other in the whole installation, so that caps over several wallets are counted exactly; for a few milliseconds each, and never while a gateway is spoken to.
SELECT pg_advisory_xact_lock(%(key)s)

-- name: charged
-- What counts against the caps of a wallet and of its account: open refills always, succeeded ones by when they were last sent.
SELECT count(*) FILTER (WHERE mine AND (state <> 'succeeded' OR charging_at >= %(day)s::timestamptz)),
       coalesce(sum(amount) FILTER (WHERE mine AND (state <> 'succeeded' OR charging_at >= %(month)s::timestamptz)), 0),
       count(*) FILTER (WHERE mine AND automatic AND coalesce(charging_at, decided_at) >= %(hour)s::timestamptz),
       coalesce(sum(amount) FILTER (WHERE state <> 'succeeded' OR charging_at >= %(month)s::timestamptz), 0)
FROM (SELECT wallet_id = %(wallet_id)s AS mine, state, charging_at, decided_at, automatic, amount
      FROM refill
      WHERE account_id = %(account_id)s AND id <> %(but_not)s
        AND state IN ('decided', 'charging', 'unknown', 'action_required', 'succeeded')
        AND (state <> 'succeeded' OR charging_at >= LEAST(%(month)s::timestamptz, %(hour)s::timestamptz))) AS counted

-- name: charged_by_all
-- What counts against the operator's limits of an hour: refills sent within it, whatever became of them, and all that are about to be; money in one currency.
SELECT count(*), coalesce(sum(amount) FILTER (WHERE currency = %(currency)s AND state NOT IN ('declined', 'withdrawn')), 0)
FROM (SELECT account_id, id, currency, amount, state FROM refill WHERE charging_at >= clock_timestamp() - interval '1 hour'
      UNION
      SELECT account_id, id, currency, amount, state FROM refill WHERE state = 'decided') AS counted
WHERE id <> %(but_not)s

-- name: card_record
-- How one card did in 30 days over all of the account's wallets and invoices; by every token of its number, so that adding a card again does not clear its record. What the gateway refused for a fault of the request never reached the card's network: it is no failure of the card, and told apart. What was refused for good, only with the same expiry and until its bank renewed it. What was tried for invoices and is not answered is under way.
WITH attempt AS (
    SELECT state IN ('sent', 'unknown') AS in_flight, state = 'succeeded' AS succeeded, sent_at, answered_at,
           state IN ('declined', 'action_required') AND NOT ours AS failed, state = 'declined' AND ours AS refused
    FROM refill_attempt a
    CROSS JOIN LATERAL (
        SELECT NOT a.hard AND EXISTS (SELECT FROM card_attempt e WHERE e.account_id = a.account_id
                                      AND e.idempotency_key = a.idempotency_key AND NOT e.counts) AS ours) AS excused
    WHERE account_id = %(account_id)s AND gateway = %(gateway)s AND token = ANY(%(tokens)s)
      AND sent_at > %(month)s::timestamptz AND refill_id <> %(but_not)s
    UNION ALL
    SELECT failed_at IS NULL AND counts, false, began_at, failed_at, failed_at IS NOT NULL AND counts, false
    FROM card_attempt c
    WHERE account_id = %(account_id)s AND gateway = %(gateway)s AND token = ANY(%(tokens)s) AND began_at > %(month)s::timestamptz
      AND NOT EXISTS (SELECT FROM refill_attempt r
                      WHERE r.account_id = c.account_id AND r.idempotency_key = c.idempotency_key)
), refused AS (
    SELECT token, coalesce(answered_at, sent_at) AS at FROM refill_attempt
    WHERE account_id = %(account_id)s AND gateway = %(gateway)s AND token = ANY(%(unrenewed)s) AND hard
    UNION ALL
    SELECT token, failed_at FROM card_attempt
    WHERE account_id = %(account_id)s AND gateway = %(gateway)s AND token = ANY(%(unrenewed)s) AND is_hard
)
SELECT count(*) FILTER (WHERE in_flight),
       count(*) FILTER (WHERE failed AND sent_at > %(day)s::timestamptz),
       count(*) FILTER (WHERE failed),
       count(*) FILTER (WHERE failed AND sent_at > coalesce((SELECT max(sent_at) FROM attempt WHERE succeeded), '-infinity')),
       max(coalesce(answered_at, sent_at)) FILTER (WHERE failed),
       (SELECT sent_at FROM attempt WHERE failed ORDER BY sent_at DESC OFFSET 3 LIMIT 1),
       (SELECT sent_at FROM attempt WHERE failed ORDER BY sent_at DESC OFFSET 7 LIMIT 1),
       EXISTS (SELECT FROM refused h
               WHERE h.at > coalesce((SELECT max(m.renewed_at) FROM payment_method m WHERE m.account_id = %(account_id)s
                                      AND m.gateway = %(gateway)s AND m.token = h.token), '-infinity')),
       count(*) FILTER (WHERE refused AND sent_at > coalesce((SELECT max(sent_at) FROM attempt WHERE succeeded OR failed), '-infinity')),
       max(coalesce(answered_at, sent_at)) FILTER (WHERE refused)
FROM attempt

-- name: crossing
-- The debit that took the balance to the minimum or below, among the wallet's newest movements: bounded, because a wallet may have been low for very long.
SELECT id, kind, reference, description, posted_at, balance_before, balance_after
FROM (SELECT id, kind, reference, description, posted_at, balance_before, balance_after, wallet_seq FROM transfer
      WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s ORDER BY wallet_seq DESC LIMIT 200) AS newest
WHERE balance_before > %(minimum)s AND balance_after <= %(minimum)s
ORDER BY wallet_seq DESC LIMIT 1

-- name: events_of
-- The costliest events of one debit, and how many there were in all.
SELECT event_id, occurred_at, cost, count(*) OVER ()
FROM usage_event
WHERE account_id = %(account_id)s AND transfer_id = %(transfer_id)s AND type_code = %(type_code)s AND cost > 0
ORDER BY cost DESC, event_id LIMIT %(most)s
