-- name: debited
-- Those of these events that are in the books already, archived or not.
WITH wanted AS (SELECT (key ->> 0)::uuid AS account_id, key ->> 1 AS event_id FROM json_array_elements(%(events)s::json) AS key)
SELECT event.account_id, event.event_id
FROM wanted JOIN usage_event event ON event.account_id = wanted.account_id AND event.event_id = wanted.event_id
UNION ALL
SELECT gone.account_id, gone.event_id
FROM wanted JOIN usage_archived gone ON gone.account_id = wanted.account_id AND gone.event_id = wanted.event_id
