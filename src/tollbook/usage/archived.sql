-- name: written_again
-- An event that is archived and was written once more by this transaction; asked only when the account's archive has grown.
SELECT 1
FROM usage_event AS event
JOIN usage_archived AS gone ON gone.account_id = event.account_id AND gone.event_id = event.event_id
WHERE event.account_id = ANY(%(account_ids)s::uuid[]) AND event.transfer_id = ANY(%(transfer_ids)s::uuid[])
LIMIT 1

-- name: bodies
-- What archived events are known by; asked only for ids that the table of events does not have.
SELECT gone.account_id, gone.event_id, gone.body
FROM unnest(%(account_ids)s::uuid[], %(event_ids)s::text[]) AS asked (account_id, event_id)
JOIN usage_archived AS gone ON gone.account_id = asked.account_id AND gone.event_id = asked.event_id COLLATE "C"
