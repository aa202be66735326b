-- name: store
-- Webhooks, each once: gateways send again what was not acknowledged in time, and sometimes what was. A payer is on the way back from a hosted page when its event comes: who comes back goes first. In one order, so that two statements never wait for each other in a circle.
INSERT INTO gateway_event (gateway, event_id, kind, object_reference, created_at, received_at, due_at, tries, outcome)
SELECT gateway, event_id, kind, object_reference, created_at, clock_timestamp(), clock_timestamp() + rest, 0, ''
FROM unnest(%(gateways)s::text[], %(event_ids)s::text[], %(kinds)s::text[], %(object_references)s::text[],
            %(created_at)s::timestamptz[], %(rests)s::interval[])
     AS told (gateway, event_id, kind, object_reference, created_at, rest)
ORDER BY gateway, event_id
ON CONFLICT (gateway, event_id) DO NOTHING

-- name: claim
-- Take up what is due, each by one worker: it comes back by itself after the lease if that worker dies.
UPDATE gateway_event e
SET due_at = clock_timestamp() + %(lease)s::interval, tries = LEAST(e.tries + 1, 30000)
FROM (SELECT gateway, event_id FROM gateway_event
      WHERE done_at IS NULL AND due_at <= clock_timestamp()
      ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) due
WHERE e.gateway = due.gateway AND e.event_id = due.event_id
RETURNING e.gateway, e.event_id, e.kind, e.object_reference, e.created_at, e.received_at, e.tries

-- name: done
-- These came to their end.
UPDATE gateway_event SET done_at = clock_timestamp(), outcome = %(outcome)s
WHERE gateway = %(gateway)s AND event_id = ANY(%(event_ids)s) AND done_at IS NULL

-- name: later
-- These can't be done yet: each waits according to how often it was tried.
UPDATE gateway_event SET due_at = clock_timestamp() + %(pause)s::interval, outcome = %(outcome)s
WHERE gateway = %(gateway)s AND event_id = ANY(%(event_ids)s) AND done_at IS NULL

-- name: told
-- What was told about something of an account's stays with it, once per event.
INSERT INTO charge_told (account_id, gateway, event_id, purpose, our_id, kind, object_reference, created_at, received_at,
                         handled_at, outcome)
VALUES (%(account_id)s, %(gateway)s, %(event_id)s, %(purpose)s, %(our_id)s, %(kind)s, %(object_reference)s,
        %(created_at)s, %(received_at)s, clock_timestamp(), %(outcome)s)
ON CONFLICT (account_id, gateway, event_id) DO NOTHING

-- name: forget
-- What was done long ago is not sent again by any gateway.
DELETE FROM gateway_event WHERE done_at < clock_timestamp() - %(after)s::interval
