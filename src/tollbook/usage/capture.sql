-- name: debited
-- Those of these events that are in the books already.
SELECT event.account_id, event.event_id
FROM unnest(%(account_ids)s::uuid[], %(event_ids)s::text[]) AS wanted (account_id, event_id)
JOIN usage_event event ON event.account_id = wanted.account_id AND event.event_id = wanted.event_id
