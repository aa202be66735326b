-- name: staging
-- A private table of this connection that holds the sheet: one COPY in, then everything is decided by joins and not line by line.
CREATE TEMPORARY TABLE IF NOT EXISTS deck_staging (
    id uuid NOT NULL, prefix text NOT NULL, description text NOT NULL, rate_cents numeric NOT NULL, connect_fee numeric NOT NULL,
    minimum_charge numeric NOT NULL, initial_seconds integer NOT NULL, increment_seconds integer NOT NULL
) ON COMMIT DELETE ROWS

-- name: changes
-- The same for what becomes of each prefix.
CREATE TEMPORARY TABLE IF NOT EXISTS deck_change (
    prefix text NOT NULL, kind text NOT NULL, before_cents numeric, after_cents numeric, later_at timestamptz
) ON COMMIT DELETE ROWS

-- name: copy_in
-- The sheet, streamed.
COPY deck_staging (id, prefix, description, rate_cents, connect_fee, minimum_charge, initial_seconds, increment_seconds) FROM STDIN

-- name: compare
-- What becomes of each prefix of the sheet and (to replace) of the deck. In force is what is valid at the sheet's instant, of several the newest; a rate that begins then or later stands in the way, because rates are never taken back, unless it is the sheet's own.
WITH in_force AS (
    SELECT DISTINCT ON (prefix) prefix, rate_cents, connect_fee, minimum_charge, initial_seconds, increment_seconds, valid_from, valid_until
    FROM rate
    WHERE account_id = %(owner)s AND type_code = %(type_code)s AND valid_from <= %(from)s
      AND (valid_until IS NULL OR valid_until > %(from)s)
    ORDER BY prefix, valid_from DESC
), later AS (
    SELECT prefix, min(valid_from) AS begins_at FROM rate
    WHERE account_id = %(owner)s AND type_code = %(type_code)s AND valid_from >= %(from)s
    GROUP BY prefix
)
INSERT INTO deck_change (prefix, kind, before_cents, after_cents, later_at)
SELECT coalesce(s.prefix, i.prefix, l.prefix),
       CASE WHEN s.prefix IS NULL AND NOT %(replace)s THEN 'kept'
            WHEN i.valid_until IS NULL
                 AND (s.rate_cents, s.connect_fee, s.minimum_charge, s.initial_seconds, s.increment_seconds)
                     = (i.rate_cents, i.connect_fee, i.minimum_charge, i.initial_seconds, i.increment_seconds) THEN 'unchanged'
            WHEN l.prefix IS NOT NULL THEN 'in the way'
            WHEN s.prefix IS NULL THEN 'ended'
            WHEN i.prefix IS NULL THEN 'new'
            WHEN s.rate_cents > i.rate_cents THEN 'dearer'
            WHEN s.rate_cents < i.rate_cents THEN 'cheaper'
            ELSE 'other terms' END,
       i.rate_cents, s.rate_cents, l.begins_at
FROM deck_staging s
FULL JOIN in_force i ON i.prefix = s.prefix
FULL JOIN later l ON l.prefix = coalesce(s.prefix, i.prefix)

-- name: counts
-- How many prefixes each kind of change has.
SELECT kind, count(*) FROM deck_change GROUP BY kind

-- name: first_of_each
-- The first prefixes of each kind; of dearer and cheaper ones those that change most.
SELECT kind, prefix, before_cents, after_cents, later_at
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY kind
        ORDER BY CASE WHEN kind IN ('dearer', 'cheaper') THEN abs(after_cents - before_cents) / nullif(before_cents, 0) END
                 DESC NULLS FIRST, prefix
    ) AS place
    FROM deck_change WHERE kind <> 'unchanged'
) ranked
WHERE place <= %(first)s
ORDER BY kind, place

-- name: end_those_before
-- Whatever is valid at the instant and has another rate or none from then on, ends there.
UPDATE rate SET valid_until = %(from)s
FROM deck_change c
WHERE rate.account_id = %(owner)s AND rate.type_code = %(type_code)s AND rate.prefix = c.prefix
  AND c.kind IN ('dearer', 'cheaper', 'other terms', 'ended')
  AND rate.valid_from < %(from)s AND (rate.valid_until IS NULL OR rate.valid_until > %(from)s)

-- name: begin_those_after
-- The sheet's new and changed rates.
INSERT INTO rate (account_id, id, type_code, prefix, description, rate_cents, connect_fee, minimum_charge, initial_seconds,
                  increment_seconds, valid_from, created_by, created_at)
SELECT %(owner)s, s.id, %(type_code)s, s.prefix, s.description, s.rate_cents, s.connect_fee, s.minimum_charge, s.initial_seconds,
       s.increment_seconds, %(from)s, %(created_by)s, transaction_timestamp()
FROM deck_staging s
JOIN deck_change c ON c.prefix = s.prefix
WHERE c.kind IN ('new', 'dearer', 'cheaper', 'other terms')

-- name: forget
-- Nothing of one import may be seen by the next one of the same transaction.
TRUNCATE deck_staging, deck_change
