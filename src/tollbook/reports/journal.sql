-- name: entries
-- Every entry of a period with what it is about, in the order it was posted. Read through a cursor, so any length takes little memory.
SELECT t.id, e.position, t.posted_at, a.slug, a.name, t.kind, t.reference, coalesce(i.number, p.number, r.number, ''),
       t.description, t.actor, e.code, e.currency, e.amount
FROM transfer t
JOIN account a ON a.id = t.account_id
JOIN entry e ON e.account_id = t.account_id AND e.transfer_id = t.id
LEFT JOIN invoice i ON i.account_id = t.account_id AND i.id = CASE WHEN t.kind = 'invoice' THEN t.reference::uuid END
LEFT JOIN settlement s ON s.account_id = t.account_id AND s.id = CASE WHEN t.kind = 'settlement' THEN t.reference::uuid END
LEFT JOIN open_balance p ON p.account_id = s.account_id AND p.invoice_id = s.invoice_id
LEFT JOIN invoice r ON r.account_id = t.account_id AND r.kind = 'refill' AND t.kind = 'refill' AND r.cause = t.reference
WHERE t.posted_at >= %(begins_at)s AND t.posted_at < %(ends_at)s
  AND (%(account_id)s::uuid IS NULL OR t.account_id = %(account_id)s::uuid)
ORDER BY t.posted_at, t.id, e.position

-- name: days
-- What moved on each account of the books, day by day (UTC); all that was before the period is the day before it, because journals in cents are cut from running sums.
SELECT greatest((t.posted_at AT TIME ZONE 'UTC')::date, %(since)s::date - 1) AS day, e.currency, e.code, sum(e.amount)
FROM transfer t JOIN entry e ON e.account_id = t.account_id AND e.transfer_id = t.id
WHERE t.posted_at < %(ends_at)s AND (%(account_id)s::uuid IS NULL OR t.account_id = %(account_id)s::uuid)
GROUP BY 1, 2, 3
HAVING sum(e.amount) <> 0
ORDER BY 1, 2, 3
