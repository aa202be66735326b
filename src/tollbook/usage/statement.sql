-- name: days
-- Sums the roll-up into days whose bounds the caller computed, so that one copy of the time zone rules decides what a day is.
SELECT type_code, width_bucket(quarter_at, %(starts)s::timestamptz[]) AS day,
       sum(events)::bigint, sum(quantity), sum(billed_quantity), sum(cost)
FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= (%(starts)s::timestamptz[])[1] AND quarter_at < %(end)s::timestamptz
GROUP BY type_code, day

-- name: of_transfer
-- What one debit consists of; a debit has 10,000 events at most, so counting off a page is cheap.
SELECT told.event_id, told.type_code, told.occurred_at, told.received_at, told.quantity, told.billed_quantity, told.rate_cents,
       told.connect_fee, told.cost, told."to", told.sender, told.transfer_id, told.hold_id
FROM (
    SELECT account_id, event_id FROM usage_event
    WHERE account_id = %(account_id)s AND transfer_id = %(transfer_id)s
    ORDER BY occurred_at, event_id
    LIMIT %(limit)s OFFSET %(offset)s
) AS page
JOIN usage_told AS told ON told.account_id = page.account_id AND told.event_id = page.event_id
ORDER BY told.occurred_at, told.event_id

-- name: older
-- The newest events of a type before a key. The index keeps minutes, many events under one key, so a page sorts the events of a minute or few; a search by id or number is exact.
SELECT told.event_id, told.type_code, told.occurred_at, told.received_at, told.quantity, told.billed_quantity, told.rate_cents,
       told.connect_fee, told.cost, told."to", told.sender, told.transfer_id, told.hold_id
FROM (
    SELECT account_id, event_id FROM usage_event
    WHERE account_id = %(account_id)s AND type_code = %(type_code)s
      AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') >= coalesce(date_bin('1 minute', %(since)s::timestamptz, '2000-01-01 00:00:00+00'), '-infinity')
      AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') <= coalesce(date_bin('1 minute', least(%(until)s::timestamptz, %(at)s::timestamptz), '2000-01-01 00:00:00+00'), 'infinity')
      AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (%(at)s::timestamptz IS NULL OR (occurred_at, event_id) < (%(at)s::timestamptz, %(id)s::text))
      AND (%(text)s::text = '' OR event_id = %(text)s::text OR "to" = %(text)s::text OR sender = %(text)s::text)
    ORDER BY date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') DESC, occurred_at DESC, event_id DESC
    LIMIT %(limit)s
) AS page
JOIN usage_told AS told ON told.account_id = page.account_id AND told.event_id = page.event_id
ORDER BY told.occurred_at DESC, told.event_id DESC

-- name: newer
-- The events of a type right after a key, oldest first: the way back to the page before.
SELECT told.event_id, told.type_code, told.occurred_at, told.received_at, told.quantity, told.billed_quantity, told.rate_cents,
       told.connect_fee, told.cost, told."to", told.sender, told.transfer_id, told.hold_id
FROM (
    SELECT account_id, event_id FROM usage_event
    WHERE account_id = %(account_id)s AND type_code = %(type_code)s
      AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') >= date_bin('1 minute', greatest(%(since)s::timestamptz, %(at)s::timestamptz), '2000-01-01 00:00:00+00')
      AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') <= coalesce(date_bin('1 minute', %(until)s::timestamptz, '2000-01-01 00:00:00+00'), 'infinity')
      AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
      AND occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
      AND (occurred_at, event_id) > (%(at)s::timestamptz, %(id)s::text)
      AND (%(text)s::text = '' OR event_id = %(text)s::text OR "to" = %(text)s::text OR sender = %(text)s::text)
    ORDER BY date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00'), occurred_at, event_id
    LIMIT %(limit)s
) AS page
JOIN usage_told AS told ON told.account_id = page.account_id AND told.event_id = page.event_id
ORDER BY told.occurred_at, told.event_id

-- name: newest_of_types
-- The newest events of several types before a key: one walk along the index for each type, merged, because no index orders the events of all types together (the busiest table has as few as possible).
SELECT told.event_id, told.type_code, told.occurred_at, told.received_at, told.quantity, told.billed_quantity, told.rate_cents,
       told.connect_fee, told.cost, told."to", told.sender, told.transfer_id, told.hold_id
FROM (
    SELECT event.account_id, event.event_id
    FROM unnest(%(type_codes)s::text[]) AS type (code)
    CROSS JOIN LATERAL (
        SELECT account_id, event_id, occurred_at FROM usage_event
        WHERE account_id = %(account_id)s AND type_code = type.code
          AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') >= coalesce(date_bin('1 minute', %(since)s::timestamptz, '2000-01-01 00:00:00+00'), '-infinity')
          AND date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') <= coalesce(date_bin('1 minute', least(%(until)s::timestamptz, %(at)s::timestamptz), '2000-01-01 00:00:00+00'), 'infinity')
          AND occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
          AND occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
          AND (%(at)s::timestamptz IS NULL OR (occurred_at, event_id) < (%(at)s::timestamptz, %(id)s::text))
        ORDER BY date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00') DESC, occurred_at DESC, event_id DESC
        LIMIT %(limit)s
    ) AS event
    ORDER BY event.occurred_at DESC, event.event_id DESC
    LIMIT %(limit)s
) AS page
JOIN usage_told AS told ON told.account_id = page.account_id AND told.event_id = page.event_id
ORDER BY told.occurred_at DESC, told.event_id DESC
