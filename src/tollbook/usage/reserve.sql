-- name: debited
-- Those of these events that are in the books already, archived or not.
SELECT event.account_id, event.event_id
FROM (SELECT (key ->> 0)::uuid AS account_id, key ->> 1 AS event_id FROM json_array_elements(%(events)s::json) AS key) AS wanted
JOIN usage_event event ON event.account_id = wanted.account_id AND event.event_id = wanted.event_id
UNION ALL
SELECT gone.account_id, gone.event_id
FROM unnest(%(account_ids)s::uuid[], %(event_ids)s::text[]) AS wanted (account_id, event_id)
JOIN usage_archived gone ON gone.account_id = wanted.account_id AND gone.event_id = wanted.event_id
