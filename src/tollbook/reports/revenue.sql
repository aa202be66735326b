-- name: deferred
-- What moved on deferred accounts, day by day (UTC) and by what moved it; all before the period is the day before it. Along the index by code, from the few accounts of the books that defer.
SELECT greatest((t.posted_at AT TIME ZONE 'UTC')::date, %(since)s::date - 1) AS day, e.currency, t.kind, -sum(e.amount)
FROM ledger_account c
JOIN entry e ON e.account_id = c.account_id AND e.code = c.code
JOIN transfer t ON t.account_id = e.account_id AND t.id = e.transfer_id
WHERE c.code LIKE 'deferred:%%' AND t.posted_at < %(ends_at)s
  AND (%(account_id)s::uuid IS NULL OR c.account_id = %(account_id)s::uuid)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3

-- name: revenue
-- Everything that was earned in the period, day by day, usage and setup fees too.
SELECT (t.posted_at AT TIME ZONE 'UTC')::date AS day, e.currency, -sum(e.amount)
FROM transfer t JOIN entry e ON e.account_id = t.account_id AND e.transfer_id = t.id AND e.code LIKE 'revenue:%%'
WHERE t.posted_at >= %(begins_at)s AND t.posted_at < %(ends_at)s
  AND (%(account_id)s::uuid IS NULL OR t.account_id = %(account_id)s::uuid)
GROUP BY 1, 2
ORDER BY 1, 2

-- name: left
-- What is left of deferrals now, by the month in which it will be earned, each month rounded on the running sum as its days will be.
WITH rows AS (
    SELECT currency, coalesce((%(places)s::jsonb ->> currency)::int, 2) AS places, settled, recognised, total - credited AS whole,
           from_on, service_until, greatest(next_on, from_on) AS first_on
    FROM deferral
    WHERE next_on IS NOT NULL AND (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid)
), months AS (
    SELECT r.*, m.month_on::date AS month_on, (m.month_on + interval '1 month' - interval '1 day')::date AS last_on
    FROM rows r
    CROSS JOIN LATERAL generate_series(date_trunc('month', r.first_on::timestamp), greatest(r.service_until, r.first_on), interval '1 month')
               AS m (month_on)
), reached AS (
    SELECT currency, month_on,
           CASE WHEN last_on >= service_until THEN whole
                ELSE settled + round((whole - settled) * (last_on - from_on + 1)::numeric / (service_until - from_on + 1), places) END
           - CASE WHEN month_on <= first_on THEN recognised
                  WHEN month_on > service_until THEN whole
                  ELSE settled + round((whole - settled) * (month_on - from_on)::numeric / (service_until - from_on + 1), places) END AS amount
    FROM months
)
SELECT currency, month_on, sum(amount) FROM reached GROUP BY 1, 2 HAVING sum(amount) <> 0 ORDER BY 1, 2
