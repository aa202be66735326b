-- name: details
-- The events that are still in the table, in the order in which files have theirs.
SELECT transfer_id, event_id, type_code, occurred_at, billed_quantity, cost FROM usage_event
WHERE account_id = %(account_id)s
ORDER BY transfer_id, event_id

-- name: transfers
-- What transfers that debit usage, or give it back, say of their events.
SELECT id, detail_count, detail_digest, balance_before - balance_after AS cost FROM transfer
WHERE account_id = %(account_id)s AND kind IN ('usage', 'reversal')
ORDER BY id

-- name: keys
-- The keys that each file left behind: how many, and their digests added up, which any other key would change.
SELECT month_on, part, count(*), sum(body) FROM usage_archived WHERE account_id = %(account_id)s GROUP BY month_on, part

-- name: sums
-- The roll-up of a month.
SELECT type_code, quarter_at, events, quantity, billed_quantity, cost FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= %(start)s AND quarter_at < %(end)s

-- name: by_attribute
-- What was folded of a month, by hour and attribute, all values together: each attribute counts every event once.
SELECT attribute, type_code, date_bin('1 hour', begins_at, 'epoch'::timestamptz), sum(events)::bigint, sum(quantity),
       sum(billed_quantity), sum(cost)
FROM usage_by_attribute
WHERE account_id = %(account_id)s AND begins_at >= %(start)s AND begins_at < %(end)s
GROUP BY 1, 2, 3

-- name: rest
-- What is still in the table of a month of which some is archived, such as late imports; and whether it waits to be folded.
SELECT event.type_code, event.occurred_at, event.quantity, event.billed_quantity, event.cost,
       EXISTS (SELECT FROM usage_backlog AS owed WHERE owed.account_id = event.account_id AND owed.transfer_id = event.transfer_id)
FROM usage_event AS event
WHERE event.account_id = %(account_id)s AND event.type_code = ANY(%(type_codes)s)
  AND date_bin('1 minute', event.occurred_at, '2000-01-01 00:00:00+00') >= %(start)s
  AND date_bin('1 minute', event.occurred_at, '2000-01-01 00:00:00+00') < %(end)s
