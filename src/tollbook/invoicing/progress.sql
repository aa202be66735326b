-- name: runs
-- Runs with the sums of their parts, the newest first by their ids, which are made in order of time; what had nothing to do is left out unless it is asked for.
SELECT run.id, run.until_on, run.started_by, run.started_at, run.finished_at, part.accounts, part.done, part.invoices,
       part.left_over, part.moved_at
FROM billing_run AS run
CROSS JOIN LATERAL (
    SELECT coalesce(sum(accounts), 0)::int AS accounts, coalesce(sum(accounts) FILTER (WHERE done_at IS NOT NULL), 0)::int AS done,
           coalesce(sum(invoices), 0)::int AS invoices, max(done_at) AS moved_at,
           coalesce(sum((SELECT count(DISTINCT slug) FROM unnest(ARRAY['failed', 'too_old', 'waiting']) AS why
                         CROSS JOIN jsonb_object_keys(coalesce(told -> why, '{}'::jsonb)) AS slug)), 0)::int AS left_over,
           coalesce(bool_or(told ? 'failed'), false) AS has_failed
    FROM billing_part WHERE run_id = run.id
) AS part
WHERE (%(id)s::uuid IS NULL OR run.id = %(id)s::uuid) AND (%(before)s::uuid IS NULL OR run.id < %(before)s::uuid)
  AND (%(everything)s OR run.finished_at IS NULL OR part.invoices > 0 OR part.has_failed)
ORDER BY run.id DESC LIMIT %(limit)s

-- name: totals
-- What the invoices of runs come to, by currency.
SELECT run_id, currency, sum(total::numeric)
FROM billing_part CROSS JOIN jsonb_each_text(coalesce(told -> 'totals', '{}'::jsonb)) AS sums (currency, total)
WHERE run_id = ANY(%(ids)s::uuid[])
GROUP BY run_id, currency ORDER BY run_id, currency

-- name: left
-- The accounts that a run was not done with, and what each part says of them.
SELECT slug, why, said
FROM billing_part
CROSS JOIN unnest(ARRAY['failed', 'too_old', 'waiting']) AS why
CROSS JOIN jsonb_each_text(coalesce(told -> why, '{}'::jsonb)) AS one (slug, said)
WHERE run_id = %(id)s
