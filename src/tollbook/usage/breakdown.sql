-- name: by_attribute
-- What was folded, and what still waits to be, in one statement and so in one snapshot: together these are all events, whatever the worker is doing. The buckets of both are the same, so each falls into one period.
WITH part AS (
    SELECT value, begins_at, events, quantity, billed_quantity AS billed, cost
    FROM usage_by_attribute
    WHERE account_id = %(account_id)s AND attribute = %(attribute)s
      AND begins_at >= %(since)s::timestamptz AND begins_at < %(until)s::timestamptz
      AND (%(type_code)s::text IS NULL OR type_code = %(type_code)s::text)
    UNION ALL
    SELECT coalesce(CASE %(attribute)s WHEN 'country' THEN (%(codes)s::text[])[live.key] ELSE kept.value END, ''),
           live.begins_at, live.events, live.quantity, live.billed, live.cost
    FROM (
        SELECT date_bin(%(width)s::interval, event.occurred_at, 'epoch'::timestamptz) AS begins_at,
               CASE %(attribute)s WHEN 'campaign' THEN event.campaign_id WHEN 'agent' THEN event.agent_id
                    ELSE CASE WHEN event."to" ~ %(number)s
                              THEN (%(countries)s::int2[])[width_bucket(left(ltrim(event."to", '+'), 7)::int, %(starts)s::int[])] END
                    END AS key,
               count(*) AS events, sum(event.quantity) AS quantity, sum(event.billed_quantity) AS billed, sum(event.cost) AS cost
        FROM usage_backlog AS waiting
        JOIN usage_event AS event ON event.account_id = waiting.account_id AND event.transfer_id = waiting.transfer_id
        WHERE waiting.account_id = %(account_id)s
          AND (%(type_code)s::text IS NULL OR event.type_code = %(type_code)s::text)
          AND event.occurred_at >= %(since)s::timestamptz AND event.occurred_at < %(until)s::timestamptz
        GROUP BY 1, 2
    ) AS live
    LEFT JOIN attribute_value AS kept
           ON %(attribute)s <> 'country' AND kept.account_id = %(account_id)s AND kept.id = live.key
)
SELECT width_bucket(begins_at, %(begins)s::timestamptz[]) AS place, value,
       sum(events)::bigint, sum(quantity), sum(billed), sum(cost)
FROM part
GROUP BY place, value
ORDER BY place, sum(cost) DESC, sum(events) DESC, value
LIMIT %(limit)s

-- name: by_type
-- The same by credit type, from the roll-up that is written with the events.
SELECT width_bucket(quarter_at, %(begins)s::timestamptz[]) AS place, type_code,
       sum(events)::bigint, sum(quantity), sum(billed_quantity), sum(cost)
FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= %(since)s::timestamptz AND quarter_at < %(until)s::timestamptz
  AND (%(type_code)s::text IS NULL OR type_code = %(type_code)s::text)
GROUP BY place, type_code
ORDER BY place, sum(cost) DESC, sum(events) DESC, type_code
LIMIT %(limit)s
