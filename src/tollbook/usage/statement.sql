-- name: days
-- Sums the roll-up into days whose bounds the caller computed, so that one copy of the time zone rules decides what a day is.
SELECT type_code, width_bucket(quarter_at, %(starts)s::timestamptz[]) AS day,
       sum(events)::bigint, sum(quantity), sum(billed_quantity), sum(cost)
FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= (%(starts)s::timestamptz[])[1] AND quarter_at < %(end)s::timestamptz
GROUP BY type_code, day

-- name: of_transfer
-- What one debit consists of; a debit has 10,000 events at most, so counting off a page is cheap.
SELECT event_id, type_code, occurred_at, received_at, quantity, billed_quantity, rate_cents, connect_fee, cost, "to",
       sender, transfer_id, hold_id
FROM usage_event
WHERE account_id = %(account_id)s AND transfer_id = %(transfer_id)s
ORDER BY occurred_at, event_id
LIMIT %(limit)s OFFSET %(offset)s

-- name: older
-- The newest events of a type before a key, along the index by time; a search by id or number is exact.
SELECT event_id, type_code, occurred_at, received_at, quantity, billed_quantity, rate_cents, connect_fee, cost, "to",
       sender, transfer_id, hold_id
FROM usage_event
WHERE account_id = %(account_id)s AND type_code = %(type_code)s
  AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
  AND occurred_at <= coalesce(%(at)s::timestamptz, 'infinity')
  AND (%(at)s::timestamptz IS NULL OR (occurred_at, event_id) < (%(at)s::timestamptz, %(id)s::text))
  AND (%(text)s::text = '' OR event_id = %(text)s::text OR "to" = %(text)s::text OR sender = %(text)s::text)
ORDER BY occurred_at DESC, event_id DESC
LIMIT %(limit)s

-- name: newer
-- The events of a type right after a key, oldest first: the way back to the page before.
SELECT event_id, type_code, occurred_at, received_at, quantity, billed_quantity, rate_cents, connect_fee, cost, "to",
       sender, transfer_id, hold_id
FROM usage_event
WHERE account_id = %(account_id)s AND type_code = %(type_code)s
  AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
  AND occurred_at >= %(at)s::timestamptz
  AND (occurred_at, event_id) > (%(at)s::timestamptz, %(id)s::text)
  AND (%(text)s::text = '' OR event_id = %(text)s::text OR "to" = %(text)s::text OR sender = %(text)s::text)
ORDER BY occurred_at, event_id
LIMIT %(limit)s

-- name: newest_of_types
-- The newest events of several types before a key: one walk along the index by time for each type, merged, because no index orders the events of all types together (the busiest table has as few as possible).
SELECT event.*
FROM unnest(%(type_codes)s::text[]) AS type (code)
CROSS JOIN LATERAL (
    SELECT event_id, type_code, occurred_at, received_at, quantity, billed_quantity, rate_cents, connect_fee, cost, "to",
           sender, transfer_id, hold_id
    FROM usage_event
    WHERE account_id = %(account_id)s AND type_code = type.code
      AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND occurred_at <= coalesce(%(at)s::timestamptz, 'infinity')
      AND (%(at)s::timestamptz IS NULL OR (occurred_at, event_id) < (%(at)s::timestamptz, %(id)s::text))
    ORDER BY occurred_at DESC, event_id DESC
    LIMIT %(limit)s
) AS event
ORDER BY event.occurred_at DESC, event.event_id DESC
LIMIT %(limit)s
