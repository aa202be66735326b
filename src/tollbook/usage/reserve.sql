-- name: known
-- Those of these events that are in the books already, archived or not; and the open holds, with their ids, of those that would name a hold. Looked up one by one, so that a plan made for small tables is good for large ones.
WITH wanted AS (
    SELECT (key ->> 0)::uuid AS account_id, key ->> 1 AS event_id, (key ->> 2)::boolean AS names_hold
    FROM json_array_elements(%(events)s::json) AS key
)
SELECT event.account_id, event.event_id, NULL::uuid
FROM wanted CROSS JOIN LATERAL (
    SELECT account_id, event_id FROM usage_event AS kept WHERE kept.account_id = wanted.account_id AND kept.event_id = wanted.event_id LIMIT 1
) AS event
UNION ALL
SELECT gone.account_id, gone.event_id, NULL::uuid
FROM wanted CROSS JOIN LATERAL (
    SELECT account_id, event_id FROM usage_archived AS kept WHERE kept.account_id = wanted.account_id AND kept.event_id = wanted.event_id LIMIT 1
) AS gone
UNION ALL
SELECT hold.account_id, hold.event_id, hold.id
FROM wanted CROSS JOIN LATERAL (
    SELECT account_id, event_id, id FROM hold AS kept
    WHERE kept.account_id = wanted.account_id AND kept.event_id = wanted.event_id AND kept.closed_at IS NULL LIMIT 1
) AS hold
WHERE wanted.names_hold
