-- name: begin
-- What invoices defer, one row for each account of the books and stretch of service days; recognition begins on the first of them, or on the day of posting when that is later.
INSERT INTO deferral (account_id, invoice_id, code, service_from, service_until, currency, total, credited, settled, recognised, from_on, next_on)
SELECT account_id, invoice_id, code, service_from, service_until, currency, total, 0, 0, 0, service_from,
       greatest(service_from, (clock_timestamp() AT TIME ZONE 'UTC')::date)
FROM json_to_recordset(%(rows)s::json)
     AS r (account_id uuid, invoice_id uuid, code text, service_from date, service_until date, currency text, total numeric)

-- name: lock
-- What one invoice deferred, locked in order, so that recognition and credit notes take turns.
SELECT code, service_from, service_until, total - credited - recognised
FROM deferral
WHERE account_id = %(account_id)s AND invoice_id = %(invoice_id)s
ORDER BY code, service_from, service_until
FOR UPDATE

-- name: credit
-- Takes a part of what is left off a row; what then remains is spread anew over the days that are not recognised yet.
UPDATE deferral
SET credited = credited + %(amount)s,
    settled = recognised,
    from_on = greatest(from_on, next_on),
    next_on = CASE WHEN total - credited - recognised = %(amount)s THEN NULL ELSE next_on END
WHERE account_id = %(account_id)s AND invoice_id = %(invoice_id)s AND code = %(code)s
  AND service_from = %(service_from)s AND service_until = %(service_until)s

-- name: first_day
-- The first day on which something waits to be recognised.
SELECT min(next_on) FROM deferral WHERE next_on IS NOT NULL

-- name: accounts
-- The next accounts for which something is to be recognised on a day, along the index.
SELECT DISTINCT account_id FROM (
    SELECT account_id FROM deferral
    WHERE next_on = %(day)s AND account_id > %(after)s
    ORDER BY account_id
    LIMIT %(rows)s) AS next
ORDER BY account_id

-- name: recognise
-- One day of many accounts: rows are locked in order and brought up to the day, what that adds is summed. A row says itself which day comes next, so a day is recognised once whatever crashes or runs twice. Rounded on the running sum, so the last day makes it whole.
WITH due AS (
    SELECT account_id, invoice_id, code, service_from, service_until, currency, recognised,
           CASE WHEN %(day)s::date >= service_until THEN total - credited
                ELSE settled + round((total - credited - settled) * (%(day)s::date - from_on + 1)::numeric
                                     / (service_until - from_on + 1), coalesce((%(places)s::jsonb ->> currency)::int, 2))
           END AS reached
    FROM deferral
    WHERE next_on = %(day)s AND account_id = ANY(%(account_ids)s::uuid[])
    ORDER BY account_id, invoice_id, code, service_from, service_until
    FOR UPDATE
), moved AS (
    UPDATE deferral AS d
    SET recognised = due.reached,
        next_on = CASE WHEN %(day)s::date >= due.service_until THEN NULL ELSE %(day)s::date + 1 END
    FROM due
    WHERE (d.account_id, d.invoice_id, d.code, d.service_from, d.service_until)
        = (due.account_id, due.invoice_id, due.code, due.service_from, due.service_until)
    RETURNING d.account_id, d.currency, d.code, due.reached - due.recognised AS added
)
SELECT account_id, currency, code, sum(added)
FROM moved
GROUP BY account_id, currency, code
HAVING sum(added) <> 0
ORDER BY account_id, currency, code
