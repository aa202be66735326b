-- name: versions
-- The versions of these accounts' rates and the active credit types in one round trip: what tells whether a deck in memory is as the caller's transaction sees it.
SELECT account_id, version, NULL AS code, false AS is_timed FROM rate_version
WHERE account_id = ANY(%(account_ids)s) AND name = 'deck'
UNION ALL
SELECT NULL, position, code, unit = 'seconds' FROM credit_type WHERE is_active
ORDER BY version

-- name: rates
-- All rates of these owners in columns of one width each, so that numpy takes the rows in as they come: no object for each of 200,000.
COPY (
    SELECT account_id, id, (array_position(%(type_codes)s::text[], type_code::text) - 1)::int4, rpad(prefix, 15),
           (rate_cents * 1000000)::int8, (connect_fee * 1000000)::int8, initial_seconds::int4, increment_seconds::int4,
           valid_from, coalesce(valid_until, 'infinity')
    FROM rate WHERE account_id = ANY(%(account_ids)s) AND type_code = ANY(%(type_codes)s) AND prefix ~ '^[0-9]{0,15}$'
) TO STDOUT (FORMAT BINARY)
