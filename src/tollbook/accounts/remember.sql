-- name: claim
-- One request per key at a time: locks that end with the transaction, however it ends, so that a crash leaves nothing claimed.
SELECT pg_try_advisory_xact_lock(hashtextextended((name ->> 0) || ' ' || (name ->> 1), 0))
FROM json_array_elements(%(names)s::json) WITH ORDINALITY AS named (name, place)
ORDER BY place

-- name: recall
-- What was answered to these keys, if anything; after the claims, so that nothing can be answered between.
SELECT known.account_id, known.key, known.request_digest, known.status, known.answer
FROM json_array_elements(%(names)s::json) AS name
JOIN remembered_answer AS known ON known.account_id = (name ->> 0)::uuid AND known.key = name ->> 1

-- name: remember
-- Keeps answers in the transaction of what they answer for; a second row for a key is impossible and would roll everything back.
INSERT INTO remembered_answer (account_id, key, request_digest, status, answer, answered_at)
SELECT account_id, key, request_digest, status, answer, clock_timestamp()
FROM json_to_recordset(%(answers)s::json) AS a (account_id uuid, key text, request_digest bytea, status int, answer text)

-- name: forget
-- Removes answers over their time; one plain condition, so that every shard can do its own part.
DELETE FROM remembered_answer WHERE answered_at < clock_timestamp() - %(kept)s::interval
