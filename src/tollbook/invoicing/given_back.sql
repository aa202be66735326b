-- name: standing
-- What each period of these subscriptions was charged, what was given back of its days on invoices included, and what credit notes took of those lines. Reads the lines of their accounts, so it is asked of few.
SELECT line.account_id, line.subscription_id, split_part(line.cause, ':', 3), sum(line.amount), coalesce(sum(gone.net), 0),
       bool_or(starts_with(line.cause, 'fee:'))
FROM (SELECT DISTINCT account_id, subscription_id
      FROM unnest(%(account_ids)b::uuid[], %(subscription_ids)b::uuid[]) AS asked (account_id, subscription_id)) AS wanted
JOIN invoice_line AS line USING (account_id, subscription_id)
LEFT JOIN (SELECT account_id, invoice_id, invoice_position AS position, sum(amount) AS net
           FROM credit_note_line WHERE account_id = ANY (%(account_ids)b)
           GROUP BY account_id, invoice_id, invoice_position) AS gone USING (account_id, invoice_id, position)
WHERE starts_with(line.cause, 'fee:') OR starts_with(line.cause, 'change:')
GROUP BY line.account_id, line.subscription_id, split_part(line.cause, ':', 3)

-- name: bore
-- The lines that charged days of one account's subscriptions, the newest first, with what credit notes took of them.
SELECT line.subscription_id, split_part(line.cause, ':', 3), line.invoice_id, line.position, line.service_from, line.service_until,
       line.amount - coalesce((SELECT sum(gone.amount) FROM credit_note_line AS gone
                               WHERE gone.account_id = line.account_id AND gone.invoice_id = line.invoice_id
                                 AND gone.invoice_position = line.position), 0)
FROM invoice_line AS line
JOIN invoice ON invoice.account_id = line.account_id AND invoice.id = line.invoice_id
WHERE line.account_id = %(account_id)s AND line.subscription_id = ANY (%(subscription_ids)b) AND line.amount > 0
  AND line.revenue_code = 'revenue:recurring' AND (starts_with(line.cause, 'fee:') OR starts_with(line.cause, 'change:'))
ORDER BY invoice.issued_at DESC, line.position DESC

-- name: note
-- These causes are billed: a credit note bears them, and no invoice ever will.
INSERT INTO given_back (account_id, cause, credit_note_id)
SELECT %(account_id)s, cause, %(credit_note_id)s FROM unnest(%(causes)b::text[]) AS borne (cause)
