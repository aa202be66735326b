-- name: owed_before
-- What the account owed when the first day began: all that was ever posted to what it owes, up to then.
SELECT coalesce(sum(entry.amount), 0)
FROM entry
JOIN transfer ON transfer.account_id = entry.account_id AND transfer.id = entry.transfer_id
WHERE entry.account_id = %(account_id)s AND entry.code = 'receivable' AND transfer.posted_at < %(start)s

-- name: moved
-- Every transfer of the period that moved what the account owes, oldest first; one that moved it there and back is left out.
SELECT transfer.posted_at, transfer.kind, transfer.reference, transfer.description, sum(entry.amount)
FROM entry
JOIN transfer ON transfer.account_id = entry.account_id AND transfer.id = entry.transfer_id
WHERE entry.account_id = %(account_id)s AND entry.code = 'receivable'
  AND transfer.posted_at >= %(start)s AND transfer.posted_at < %(end)s
GROUP BY transfer.account_id, transfer.id, transfer.posted_at, transfer.kind, transfer.reference, transfer.description
HAVING sum(entry.amount) <> 0
ORDER BY transfer.posted_at, transfer.id
