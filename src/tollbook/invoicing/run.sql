-- name: open_run
-- A run of this kind, unless one is under way already, which is to be joined instead: a unique key allows one.
INSERT INTO billing_run (id, until_on, is_review, started_by, started_at)
VALUES (%(id)s, %(until_on)s, %(is_review)s, %(started_by)s, clock_timestamp())
ON CONFLICT DO NOTHING
RETURNING id, started_at

-- name: joined_run
-- The run of this kind that is under way.
SELECT id, started_at FROM billing_run
WHERE is_review = %(is_review)s AND until_on IS NOT DISTINCT FROM %(until_on)s::date AND finished_at IS NULL

-- name: plan
-- The active accounts in stretches of their ids, in the transaction that opens the run.
INSERT INTO billing_part (run_id, part, first_id, last_id, accounts, invoices, told)
SELECT %(run_id)s, part, first_id, last_id, accounts, 0, '{}'
FROM (SELECT nth / %(size)s AS part, (array_agg(id ORDER BY id))[1] AS first_id, (array_agg(id ORDER BY id DESC))[1] AS last_id,
             count(*) AS accounts
      FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS nth FROM account WHERE is_active) AS numbered
      GROUP BY nth / %(size)s) AS parts

-- name: claim
-- The next part that nobody works on; its row stays locked until the part is done or its worker is gone.
SELECT part, first_id, last_id FROM billing_part
WHERE run_id = %(run_id)s AND done_at IS NULL
ORDER BY part LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: wait
-- The same when all that is left is worked on: waits for one of them, and takes it when its worker is gone.
SELECT part, first_id, last_id FROM billing_part
WHERE run_id = %(run_id)s AND done_at IS NULL
ORDER BY part LIMIT 1 FOR UPDATE

-- name: lock_accounts
-- Accounts of a part in the order of their ids; whoever settles or issues for one of them waits.
SELECT id FROM account WHERE id BETWEEN %(first_id)s AND %(last_id)s AND is_active ORDER BY id FOR NO KEY UPDATE

-- name: billed
-- Which of these causes have their line already, or count as billed since before lines had causes, or are borne by a credit note; read with the accounts locked, so nothing is added meanwhile.
SELECT account_id, cause
FROM unnest(%(account_ids)b::uuid[], %(causes)b::text[]) AS wanted (account_id, cause)
CROSS JOIN LATERAL (SELECT FROM invoice_line AS line
                    WHERE line.account_id = wanted.account_id AND line.cause = wanted.cause AND line.cause <> ''
                    LIMIT 1) AS known
UNION ALL
SELECT account_id, cause
FROM billed_before
JOIN unnest(%(account_ids)b::uuid[], %(causes)b::text[]) AS wanted (account_id, cause) USING (account_id, cause)
UNION ALL
SELECT account_id, cause
FROM given_back
JOIN unnest(%(account_ids)b::uuid[], %(causes)b::text[]) AS wanted (account_id, cause) USING (account_id, cause)

-- name: borne
-- How the newest line was taxed that billed a day of a subscription, which is what giving that day back takes back.
SELECT wanted.account_id, wanted.cause, line.*
FROM unnest(%(account_ids)b::uuid[], %(causes)b::text[], %(subscription_ids)b::uuid[], %(days)b::date[])
     AS wanted (account_id, cause, subscription_id, day)
CROSS JOIN LATERAL (
    SELECT tax_code, tax_category, tax_rate, tax_label, issued_on, buyer ->> 'country', coalesce(buyer ->> 'region', ''),
           coalesce(buyer ->> 'tax_id', '') <> '', coalesce(seller ->> 'country', '')
    FROM invoice_line
    JOIN invoice ON invoice.account_id = invoice_line.account_id AND invoice.id = invoice_line.invoice_id
    WHERE invoice_line.account_id = wanted.account_id AND invoice_line.subscription_id = wanted.subscription_id
      AND coalesce(service_from, period_start_on) <= day AND coalesce(service_until, period_end_on) >= day
      AND strpos(invoice_line.cause, ':back') = 0
    ORDER BY issued_at DESC, position LIMIT 1
) AS line

-- name: named
-- Which of these causes have their invoice; mostly none, and each is a look at an index, however many there are and whatever was known of the table when this was planned.
SELECT account_id, cause
FROM unnest(%(account_ids)b::uuid[], %(causes)b::text[]) AS wanted (account_id, cause)
CROSS JOIN LATERAL (SELECT FROM invoice
                    WHERE invoice.account_id = wanted.account_id AND invoice.kind = 'recurring' AND invoice.cause = wanted.cause
                    LIMIT 1) AS known

-- name: count_named
-- How many invoices of an account bear a cause, itself or with a number behind it.
SELECT count(*) FROM invoice
WHERE account_id = %(account_id)s AND kind = 'recurring' AND (cause = %(cause)s OR starts_with(cause, %(cause)s || '#'))

-- name: done
-- A part is done: what came of it, in the transaction that did it.
UPDATE billing_part SET done_at = clock_timestamp(), invoices = %(invoices)s, told = %(told)s::jsonb
WHERE run_id = %(run_id)s AND part = %(part)s

-- name: finish
-- A run is finished when its last part is done.
UPDATE billing_run SET finished_at = clock_timestamp()
WHERE id = %(run_id)s AND finished_at IS NULL
  AND NOT EXISTS (SELECT FROM billing_part WHERE run_id = %(run_id)s AND done_at IS NULL)

-- name: progress
-- Accounts of parts that are done, and of all.
SELECT coalesce(sum(accounts) FILTER (WHERE done_at IS NOT NULL), 0), coalesce(sum(accounts), 0)
FROM billing_part WHERE run_id = %(run_id)s

-- name: last_complete
-- The last finished run that issued everything that was due, and who was left with something.
SELECT run.started_at,
       ARRAY(SELECT left_over.id::uuid FROM billing_part CROSS JOIN jsonb_array_elements_text(told -> 'incomplete') AS left_over (id)
             WHERE run_id = run.id AND told ? 'incomplete')
FROM billing_run AS run
WHERE NOT is_review AND until_on IS NULL AND finished_at IS NOT NULL
ORDER BY started_at DESC LIMIT 1

-- name: forget_parts
-- Runs of long ago that issued nothing leave nothing to remember: what waits or is left out, every run says anew, the last complete one too, which stays.
DELETE FROM billing_part
WHERE run_id IN (SELECT id FROM billing_run WHERE finished_at < now() - %(age)s::interval)
  AND run_id IS DISTINCT FROM (SELECT id FROM billing_run WHERE NOT is_review AND until_on IS NULL AND finished_at IS NOT NULL
                               ORDER BY started_at DESC LIMIT 1)
  AND NOT EXISTS (SELECT FROM billing_part AS other
                  WHERE other.run_id = billing_part.run_id AND (other.invoices > 0 OR other.told ? 'failed'))

-- name: forget_runs
-- The same of the runs themselves, but never the last complete one.
DELETE FROM billing_run
WHERE finished_at < now() - %(age)s::interval AND NOT EXISTS (SELECT FROM billing_part WHERE run_id = billing_run.id)
