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

-- name: note
-- These causes are billed: a credit note bears them, and no invoice ever will.
INSERT INTO given_back (account_id, cause, credit_note_id)
SELECT %(account_id)s, cause, %(credit_note_id)s FROM unnest(%(causes)b::text[]) AS borne (cause)
