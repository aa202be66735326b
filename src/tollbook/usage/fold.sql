-- name: waiting
-- Accounts whose roll-ups by attribute are behind, with their time zones: those that are furthest behind first.
SELECT backlog.account_id, account.timezone, backlog.transfers
FROM (SELECT account_id, count(*) AS transfers FROM usage_backlog GROUP BY account_id) AS backlog
JOIN account ON account.id = backlog.account_id
ORDER BY backlog.transfers DESC, backlog.account_id

-- name: room
-- The sums of a large fold stay in memory.
SELECT set_config('work_mem', '32MB', true)

-- name: fold
-- Takes some batches off the backlog and adds their events to the roll-ups, in one statement: events are grouped by each attribute apart (all together would make nearly a group of each), numbers by their first digits, which then tell the country; sorted for one lock order.
WITH claimed AS (
    DELETE FROM usage_backlog
    WHERE account_id = %(account_id)s AND transfer_id = ANY (ARRAY(
        SELECT transfer_id FROM usage_backlog
        WHERE account_id = %(account_id)s ORDER BY transfer_id LIMIT %(most)s
        FOR UPDATE SKIP LOCKED))
    RETURNING transfer_id
), told AS (
    SELECT event.type_code, date_bin(%(width)s::interval, event.occurred_at, 'epoch'::timestamptz) AS begins_at,
           event.campaign_id, event.agent_id,
           CASE WHEN length(ltrim(event."to", '+')) >= 7 AND ltrim(event."to", '+') >= '1'
                     AND translate(ltrim(event."to", '+'), '0123456789', '') = ''
                THEN left(ltrim(event."to", '+'), 7) END AS digits,
           event.quantity, event.billed_quantity, event.cost
    FROM claimed
    JOIN usage_event AS event ON event.account_id = %(account_id)s AND event.transfer_id = claimed.transfer_id
), summed AS (
    SELECT type_code, begins_at, campaign_id, agent_id, digits, GROUPING(campaign_id, agent_id, digits) AS without,
           count(*) AS events, sum(quantity) AS quantity, sum(billed_quantity) AS billed, sum(cost) AS cost
    FROM told
    GROUP BY GROUPING SETS ((type_code, begins_at, campaign_id), (type_code, begins_at, agent_id), (type_code, begins_at, digits))
), named AS (
    SELECT CASE summed.without WHEN 3 THEN 'campaign' WHEN 5 THEN 'agent' ELSE 'country' END AS attribute,
           summed.begins_at, summed.type_code,
           coalesce(CASE summed.without
                    WHEN 6 THEN (%(codes)s::text[])[(%(countries)s::int2[])[width_bucket(summed.digits::int, %(starts)s::int[])]]
                    ELSE kept.value END, '') AS value,
           summed.events, summed.quantity, summed.billed, summed.cost
    FROM summed
    LEFT JOIN attribute_value AS kept
           ON kept.account_id = %(account_id)s
          AND kept.id = CASE summed.without WHEN 3 THEN summed.campaign_id WHEN 5 THEN summed.agent_id END
), added AS (
    INSERT INTO usage_by_attribute (account_id, attribute, begins_at, type_code, value, events, quantity, billed_quantity, cost)
    SELECT %(account_id)s, attribute, begins_at, type_code, value, sum(events), sum(quantity), sum(billed), sum(cost)
    FROM named
    GROUP BY attribute, begins_at, type_code, value
    ORDER BY attribute, begins_at, type_code, value
    ON CONFLICT (account_id, attribute, begins_at, type_code, value) DO UPDATE
    SET events = usage_by_attribute.events + excluded.events,
        quantity = usage_by_attribute.quantity + excluded.quantity,
        billed_quantity = usage_by_attribute.billed_quantity + excluded.billed_quantity,
        cost = usage_by_attribute.cost + excluded.cost
)
SELECT (SELECT count(*) FROM claimed), (SELECT coalesce(sum(events), 0)::bigint FROM summed WHERE without = 6)

-- name: backlog
-- How far behind the roll-ups are, counted no further than anybody cares.
SELECT count(*) FROM (SELECT FROM usage_backlog LIMIT %(most)s) AS waiting
