-- name: begin
-- One row per key: sending a key again is no further try.
INSERT INTO card_attempt (account_id, idempotency_key, gateway, token, began_at, is_hard)
VALUES (%(account_id)s, %(idempotency_key)s, %(gateway)s, %(token)s, clock_timestamp(), false)
ON CONFLICT (account_id, idempotency_key) DO NOTHING

-- name: failed
-- What became of a try: when it was told first, and whether any word of it was final.
UPDATE card_attempt SET failed_at = coalesce(failed_at, clock_timestamp()), is_hard = is_hard OR %(is_hard)s
WHERE account_id = %(account_id)s AND idempotency_key = %(idempotency_key)s AND (failed_at IS NULL OR %(is_hard)s AND NOT is_hard)

-- name: excused
-- A try that is not held against the card; a final word stays.
UPDATE card_attempt SET counts = false
WHERE account_id = %(account_id)s AND idempotency_key = %(idempotency_key)s AND counts AND NOT is_hard

-- name: record
-- Tries of one card in the two windows that did not succeed, answered or not; whether one was final, however long ago, since the card was renewed; and when the limits let go.
WITH attempt AS (
    SELECT began_at FROM card_attempt
    WHERE account_id = %(account_id)s AND gateway = %(gateway)s AND token = ANY(%(tokens)s)
      AND counts AND began_at > clock_timestamp() - %(month)s::interval
)
SELECT count(*) FILTER (WHERE began_at > clock_timestamp() - %(day)s::interval), count(*),
       EXISTS (SELECT FROM card_attempt h WHERE h.account_id = %(account_id)s AND h.gateway = %(gateway)s AND h.token = ANY(%(unrenewed)s)
               AND h.is_hard AND h.failed_at > coalesce((SELECT max(m.renewed_at) FROM payment_method m
                   WHERE m.account_id = h.account_id AND m.gateway = h.gateway AND m.token = h.token), '-infinity')),
       (SELECT began_at FROM attempt ORDER BY began_at DESC OFFSET 3 LIMIT 1),
       (SELECT began_at FROM attempt ORDER BY began_at DESC OFFSET 7 LIMIT 1)
FROM attempt
