-- name: waiting
-- Accounts whose roll-ups by attribute are behind, by age or by number of events, with their time zones: those that are furthest behind first.
SELECT backlog.account_id, account.timezone, backlog.events
FROM (
    SELECT account_id, sum(events) AS events, bool_or(transfer_id < %(before)s) AS long FROM usage_backlog GROUP BY account_id
) AS backlog
JOIN account ON account.id = backlog.account_id
WHERE backlog.long OR backlog.events >= %(many)s
ORDER BY backlog.events DESC, backlog.account_id

-- name: claim
-- Takes batches of these accounts off the backlog, the oldest of each first, until they have so many events; whoever else folds takes others.
DELETE FROM usage_backlog AS owed
USING (
    SELECT account_id, transfer_id FROM usage_backlog
    WHERE (account_id, transfer_id) IN (
        SELECT account_id, transfer_id
        FROM (SELECT account_id, transfer_id, sum(events) OVER (ORDER BY account_id, transfer_id) - events AS before
              FROM usage_backlog WHERE account_id = ANY(%(account_ids)s)) AS waiting
        WHERE before < %(most)s)
    FOR UPDATE SKIP LOCKED
) AS taken
WHERE owed.account_id = taken.account_id AND owed.transfer_id = taken.transfer_id
RETURNING owed.account_id, owed.type_code, owed.packed

-- name: add
-- Adds sums to the roll-ups, sorted for one lock order; campaigns and agents come by the ids of their values, countries by name.
INSERT INTO usage_by_attribute (account_id, attribute, begins_at, type_code, value, events, quantity, billed_quantity, cost)
SELECT told.account_id, told.attribute, told.begins_at, told.type_code, coalesce(kept.value, told.value), sum(told.events),
       sum(told.quantity) * 0.000001, sum(told.billed) * 0.000001, sum(told.cost) * 0.000001
FROM unnest(%(account_ids)b::uuid[], %(attributes)b::text[], %(value_ids)b::int[], %(values)b::text[], %(begins)b::timestamptz[],
            %(type_codes)b::text[], %(events)b::bigint[], %(quantities)b::numeric[], %(billed)b::numeric[], %(costs)b::numeric[])
     AS told (account_id, attribute, value_id, value, begins_at, type_code, events, quantity, billed, cost)
LEFT JOIN attribute_value AS kept ON kept.account_id = told.account_id AND kept.id = told.value_id
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (account_id, attribute, begins_at, type_code, value) DO UPDATE
SET events = usage_by_attribute.events + excluded.events,
    quantity = usage_by_attribute.quantity + excluded.quantity,
    billed_quantity = usage_by_attribute.billed_quantity + excluded.billed_quantity,
    cost = usage_by_attribute.cost + excluded.cost

-- name: backlog
-- How far behind the roll-ups are, counted no further than anybody cares.
SELECT count(*) FROM (SELECT FROM usage_backlog LIMIT %(most)s) AS waiting
