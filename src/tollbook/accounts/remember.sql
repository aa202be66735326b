-- name: claim
-- One request per key at a time: a lock that ends with the transaction, however it ends, so that a crash leaves nothing claimed.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(account_id)s::text || ' ' || %(key)s::text, 0))

-- name: recall
-- What was answered to this key, if anything.
SELECT request_digest, status, answer FROM remembered_answer WHERE account_id = %(account_id)s AND key = %(key)s

-- name: remember
-- Keeps an answer in the transaction of what it answers for; a second row for the key is impossible and would roll everything back.
INSERT INTO remembered_answer (account_id, key, request_digest, status, answer, answered_at)
VALUES (%(account_id)s, %(key)s, %(request_digest)s, %(status)s, %(answer)s, clock_timestamp())

-- name: forget
-- Removes answers over their time; one plain condition, so that every shard can do its own part.
DELETE FROM remembered_answer WHERE answered_at < clock_timestamp() - %(kept)s::interval
