-- name: versions
-- The versions of these accounts' rates and the active credit types in one round trip: what tells whether a deck in memory is as the caller's transaction sees it.
SELECT account_id, version, NULL AS code, false AS is_timed FROM rate_version
WHERE account_id = ANY(%(account_ids)b::uuid[]) AND name = 'deck'
UNION ALL
SELECT NULL, position, code, unit = 'seconds' FROM credit_type WHERE is_active
ORDER BY version

-- name: rates
-- All rates of each of these owners as one value, packed in columns of one width, so that numpy takes them in as they are: no object, and no row on the wire, for each of 200,000.
COPY (
    SELECT account_id,
           string_agg(uuid_send(id) || int4send((array_position(%(type_codes)s::text[], type_code::text) - 1)::int4)
               || convert_to(rpad(prefix, 15), 'UTF8') || int8send((rate_cents * 1000000)::int8)
               || int8send((connect_fee * 1000000)::int8) || int8send((minimum_charge * 1000000)::int8) || int4send(initial_seconds) || int4send(increment_seconds)
               || timestamptz_send(valid_from) || timestamptz_send(coalesce(valid_until, 'infinity')), '')
    FROM rate
    WHERE account_id = ANY(%(account_ids)s) AND type_code = ANY(%(type_codes)s)
    GROUP BY account_id
) TO STDOUT (FORMAT BINARY)
