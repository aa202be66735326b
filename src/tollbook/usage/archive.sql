-- name: lock
-- One archiving of an account at a time; held by the session, over several transactions.
SELECT pg_try_advisory_lock(hashtextextended('tollbook archive ' || %(account_id)s::text, 0))

-- name: unlock
-- The end of `lock`.
SELECT pg_advisory_unlock(hashtextextended('tollbook archive ' || %(account_id)s::text, 0))

-- name: oldest
-- The minute of the oldest event of each type: the first entry of each type in the index.
SELECT min(oldest.at)
FROM credit_type AS type
CROSS JOIN LATERAL (
    SELECT date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') AS at FROM usage_event
    WHERE account_id = %(account_id)s AND type_code = type.code
    ORDER BY date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00')
    LIMIT 1
) AS oldest

-- name: count
-- How many events of some months are in the table. By type and minute, which is what the index has; months begin with a minute.
SELECT count(*)
FROM credit_type AS type
JOIN usage_event AS event ON event.account_id = %(account_id)s AND event.type_code = type.code
  AND date_bin('1 minute', event.occurred_at, '2000-01-01 00:00:00+00') >= %(start)s
  AND date_bin('1 minute', event.occurred_at, '2000-01-01 00:00:00+00') < %(end)s

-- name: owed
-- An event of the month that the roll-ups by attribute do not hold yet.
SELECT 1
FROM usage_backlog AS owed
JOIN usage_event AS event ON event.account_id = owed.account_id AND event.transfer_id = owed.transfer_id
WHERE owed.account_id = %(account_id)s AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s
LIMIT 1

-- name: events
-- A month's events as they are told, ids and attributes as text, so that a debit's events stand together.
SELECT told.event_id, told.type_code, told.occurred_at, told.received_at, told.quantity, told.billed_quantity,
       told.rate_account_id::text, told.rate_id::text, told.rate_cents, told.connect_fee, told.cost, told."to", told.sender,
       told.attributes::text, told.transfer_id::text, told.hold_id::text,
       told.reverses_id
FROM usage_told AS told
WHERE told.account_id = %(account_id)s AND told.type_code = ANY(%(type_codes)s)
  AND date_bin('1 minute', told.occurred_at, '2000-01-01 00:00:00+00') >= %(start)s
  AND date_bin('1 minute', told.occurred_at, '2000-01-01 00:00:00+00') < %(end)s
ORDER BY told.transfer_id, told.event_id COLLATE "C"

-- name: sums
-- The roll-up of a month, to be compared with what its files add up to.
SELECT type_code, quarter_at, events, quantity, billed_quantity, cost FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= %(start)s AND quarter_at < %(end)s AND events > 0

-- name: seals
-- How many events some debits have and what seals them.
SELECT id, detail_count, detail_digest FROM transfer
WHERE account_id = %(account_id)s AND id = ANY(%(transfer_ids)s::uuid[]) AND detail_digest IS NOT NULL

-- name: elsewhere
-- The events of a debit that belong to other months and are still in the table.
SELECT event_id, type_code, occurred_at, billed_quantity, cost FROM usage_event
WHERE account_id = %(account_id)s AND transfer_id = %(transfer_id)s
  AND NOT (occurred_at >= %(start)s AND occurred_at < %(end)s)

-- name: leaving
-- The keys of the events in a file; the file's, not the table's, so that nothing leaves that was not read back from it.
CREATE TEMPORARY TABLE IF NOT EXISTS usage_leaving (event_id varchar(200) COLLATE "C" NOT NULL, body bigint NOT NULL)
ON COMMIT DELETE ROWS

-- name: copy_keys
-- The keys, in.
COPY usage_leaving (event_id, body) FROM STDIN (FORMAT binary)

-- name: remember
-- What keeps deduplication for ever: the keys of what leaves. In their order, for an index without holes.
INSERT INTO usage_archived (account_id, body, month_on, part, event_id)
SELECT %(account_id)s, body, %(month_on)s, %(part)s, event_id FROM usage_leaving ORDER BY event_id

-- name: remove
-- What leaves the table of events.
DELETE FROM usage_event AS event USING usage_leaving AS leaving
WHERE event.account_id = %(account_id)s AND event.event_id = leaving.event_id
  AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s
