-- name: begin
-- One row per key: sending a key again is no further try.
INSERT INTO card_attempt (account_id, idempotency_key, gateway, token, began_at, is_hard)
VALUES (%(account_id)s, %(idempotency_key)s, %(gateway)s, %(token)s, clock_timestamp(), false)
ON CONFLICT (account_id, idempotency_key) DO NOTHING

-- name: failed
-- What became of a try, told once.
UPDATE card_attempt SET failed_at = clock_timestamp(), is_hard = %(is_hard)s
WHERE account_id = %(account_id)s AND idempotency_key = %(idempotency_key)s AND failed_at IS NULL

-- name: record
-- Failed tries of one card in the two windows, whether one of them was final, and when the limits let go.
WITH attempt AS (
    SELECT began_at, is_hard FROM card_attempt
    WHERE account_id = %(account_id)s AND gateway = %(gateway)s AND token = %(token)s
      AND failed_at IS NOT NULL AND began_at > clock_timestamp() - %(month)s::interval
)
SELECT count(*) FILTER (WHERE began_at > clock_timestamp() - %(day)s::interval), count(*), coalesce(bool_or(is_hard), false),
       (SELECT began_at FROM attempt ORDER BY began_at DESC OFFSET 3 LIMIT 1),
       (SELECT began_at FROM attempt ORDER BY began_at DESC OFFSET 7 LIMIT 1)
FROM attempt
