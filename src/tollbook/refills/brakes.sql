-- name: standing
-- The time, the kill switch, and the wallet's newest movement that is not a refill (its chain's order is the order of truth).
SELECT clock_timestamp(), s.is_on, s.reason, t.kind, t.posted_at
FROM (SELECT) AS one
LEFT JOIN operator_switch s ON s.name = 'refills'
LEFT JOIN LATERAL (
    SELECT kind, posted_at FROM transfer
    WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s AND kind <> 'refill'
    ORDER BY wallet_seq DESC LIMIT 1) t ON true

-- name: charged
-- What counts against the caps: open refills always, succeeded ones by when they were last sent.
SELECT count(*) FILTER (WHERE state <> 'succeeded' OR charging_at >= %(day)s),
       coalesce(sum(amount) FILTER (WHERE state <> 'succeeded' OR charging_at >= %(month)s), 0),
       count(*) FILTER (WHERE automatic AND coalesce(charging_at, decided_at) >= %(hour)s)
FROM refill
WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s AND id <> %(but_not)s
  AND state IN ('decided', 'charging', 'unknown', 'action_required', 'succeeded')
  AND (state <> 'succeeded' OR charging_at >= LEAST(%(month)s, %(hour)s))

-- name: card_record
-- How one card did in 30 days over all of the account's wallets; by token, so that removing and adding a card does not clear its record.
WITH attempt AS (
    SELECT r.state, r.charging_at, r.finished_at, r.state IN ('declined', 'action_required') AS failed
    FROM refill r
    JOIN payment_method m ON m.account_id = r.account_id AND m.id = r.method_id
    WHERE r.account_id = %(account_id)s AND m.gateway = %(gateway)s AND m.token = %(token)s
      AND r.charging_at > %(month)s AND r.id <> %(but_not)s
)
SELECT count(*) FILTER (WHERE state IN ('charging', 'unknown')),
       count(*) FILTER (WHERE failed AND charging_at > %(day)s),
       count(*) FILTER (WHERE failed AND charging_at > coalesce((SELECT max(charging_at) FROM attempt WHERE state = 'succeeded'),
                                                                '-infinity')),
       max(coalesce(finished_at, charging_at)) FILTER (WHERE failed),
       (SELECT charging_at FROM attempt WHERE failed ORDER BY charging_at DESC OFFSET 3 LIMIT 1),
       (SELECT charging_at FROM attempt WHERE failed ORDER BY charging_at DESC OFFSET 7 LIMIT 1)
FROM attempt
