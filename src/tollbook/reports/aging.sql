-- name: open
-- What was open on invoices at an instant: what is open now and what was settled, credited or written off since, of those issued before. Two small sets, not every invoice that ever was.
WITH since AS (
    SELECT account_id, invoice_id, sum(amount) AS amount
    FROM (SELECT account_id, invoice_id, amount FROM settlement WHERE settled_at >= %(ends_at)s
          UNION ALL
          SELECT account_id, invoice_id, amount FROM reduction WHERE reduced_at >= %(ends_at)s) AS taken
    WHERE %(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid
    GROUP BY 1, 2
), candidates AS (
    SELECT account_id, invoice_id FROM open_balance
    WHERE balance > 0 AND (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid)
    UNION
    SELECT account_id, invoice_id FROM since
)
SELECT a.slug, a.name, i.currency, i.number, i.issued_on, i.due_on, greatest(%(day)s::date - i.due_on, 0) AS days_past,
       o.balance + coalesce(s.amount, 0) AS open
FROM candidates c
JOIN open_balance o ON o.account_id = c.account_id AND o.invoice_id = c.invoice_id
JOIN invoice i ON i.account_id = c.account_id AND i.id = c.invoice_id
JOIN account a ON a.id = c.account_id
LEFT JOIN since s ON s.account_id = c.account_id AND s.invoice_id = c.invoice_id
WHERE i.issued_at < %(ends_at)s AND o.balance + coalesce(s.amount, 0) <> 0
ORDER BY a.slug, i.currency, i.due_on, i.sequence

-- name: booked
-- The control figures: what the books say is owed, and what is credit of customers, at the same instant; account by account, along the index by code.
SELECT e.currency, coalesce(sum(e.amount) FILTER (WHERE e.code = 'receivable'), 0), coalesce(-sum(e.amount) FILTER (WHERE e.code = 'credit'), 0)
FROM account a
CROSS JOIN LATERAL (
    SELECT x.currency, x.code, sum(x.amount) AS amount
    FROM entry x JOIN transfer t ON t.account_id = x.account_id AND t.id = x.transfer_id
    WHERE x.account_id = a.id AND x.code IN ('receivable', 'credit') AND t.posted_at < %(ends_at)s
    GROUP BY 1, 2) e
WHERE %(account_id)s::uuid IS NULL OR a.id = %(account_id)s::uuid
GROUP BY 1
ORDER BY 1
