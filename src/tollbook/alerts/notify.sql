-- name: begin
-- The first look of an installation: what happened before it is never told.
INSERT INTO alert_cursor (name, began_at, seen_until_at) VALUES ('happened', clock_timestamp(), clock_timestamp())
ON CONFLICT DO NOTHING

-- name: cursor
-- How far the last look came, and the database's own time, which the tables are written with.
SELECT began_at, greatest(began_at, seen_until_at - %(again)s::interval), clock_timestamp()
FROM alert_cursor WHERE name = 'happened'

-- name: move
-- The look came to its end; never back, whichever of two ends last.
UPDATE alert_cursor SET seen_until_at = %(until)s WHERE name = 'happened' AND seen_until_at < %(until)s

-- name: notice
-- One notice per crossing: of two that would write it, one sees a row.
INSERT INTO alert_notice (account_id, id, kind, subject, crossing, occurred_at, made_at, data)
VALUES (%(account_id)s, %(id)s, %(kind)s, %(subject)s, %(crossing)s, %(occurred_at)s, clock_timestamp(), %(data)s::jsonb)
ON CONFLICT DO NOTHING
RETURNING id

-- name: deliveries
-- One row per channel and recipient, due now; or, to an endpoint that is off, ended with the reason.
INSERT INTO alert_delivery (account_id, id, notice_id, channel, recipient, state, due_at, tries, attempts, made_at, finished_at, outcome)
SELECT %(account_id)s, wanted.id, %(notice_id)s, wanted.channel, wanted.recipient, CASE WHEN %(missed)s = '' THEN 'waiting' ELSE 'failed' END,
       clock_timestamp(), 0, 0, clock_timestamp(), CASE WHEN %(missed)s <> '' THEN clock_timestamp() END, %(missed)s
FROM unnest(%(ids)s::uuid[], %(channels)s::text[], %(recipients)s::text[]) AS wanted (id, channel, recipient)
ON CONFLICT DO NOTHING
