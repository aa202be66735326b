-- name: debited
-- Those of these events that are in the books already.
SELECT event.account_id, event.event_id
FROM (SELECT (key ->> 0)::uuid AS account_id, key ->> 1 AS event_id FROM json_array_elements(%(events)s::json) AS key) AS wanted
JOIN usage_event event ON event.account_id = wanted.account_id AND event.event_id = wanted.event_id
