-- name: details
-- The events that are still in the table, in the order in which files have theirs.
SELECT transfer_id, event_id, type_code, occurred_at, billed_quantity, cost FROM usage_event
WHERE account_id = %(account_id)s
ORDER BY transfer_id, event_id

-- name: transfers
-- What usage transfers say of their events.
SELECT id, detail_count, detail_digest, balance_before - balance_after AS cost FROM transfer
WHERE account_id = %(account_id)s AND kind = 'usage'
ORDER BY id

-- name: keys
-- The keys that each file left behind: how many, and their digests added up, which any other key would change.
SELECT month_on, part, count(*), sum(body) FROM usage_archived WHERE account_id = %(account_id)s GROUP BY month_on, part

-- name: rates
-- Rates that archived events name, the account's own or the operator's.
SELECT rate.id, rate.type_code, rate.valid_from, rate.rate_cents, rate.connect_fee, rate.initial_seconds, rate.increment_seconds,
       type.unit = 'seconds'
FROM rate JOIN credit_type AS type ON type.code = rate.type_code
WHERE rate.id = ANY(%(rate_ids)s::uuid[]) AND rate.account_id IN (%(account_id)s, '00000000-0000-0000-0000-000000000000')

-- name: sums
-- The roll-up of a month.
SELECT type_code, quarter_at, events, quantity, billed_quantity, cost FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= %(start)s AND quarter_at < %(end)s

-- name: rest
-- What is still in the table of a month of which some is archived, such as late imports.
SELECT type_code, occurred_at, quantity, billed_quantity, cost FROM usage_event
WHERE account_id = %(account_id)s AND type_code = ANY(%(type_codes)s)
  AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') >= %(start)s
  AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') < %(end)s
