-- name: bodies
-- What an event is known by besides its id, to tell a repetition from a conflict; attributes may differ between two tellings.
SELECT event.account_id, event.event_id, event.type_code, event.quantity * 1000000, event.occurred_at, event."to", event.sender
FROM unnest(%(account_ids)s::uuid[], %(event_ids)s::text[]) AS asked (account_id, event_id)
JOIN usage_event AS event ON event.account_id = asked.account_id AND event.event_id = asked.event_id COLLATE "C"
