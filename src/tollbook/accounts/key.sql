-- name: revoked
-- Which of some keys are over: asked for every group of requests, so that a key ends at once.
SELECT key.id
FROM unnest(%(account_ids)b::uuid[], %(ids)b::uuid[]) AS asked (account_id, id)
JOIN api_key AS key ON key.account_id = asked.account_id AND key.id = asked.id
WHERE key.revoked_at IS NOT NULL
