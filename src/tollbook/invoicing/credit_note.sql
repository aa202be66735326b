-- name: reduce
-- The guarded update: locks the open balance, and changes nothing when less is owed than would be taken off, or more than the invoice came to. What is given up is kept beside.
UPDATE open_balance SET balance = balance - %(amount)s, written_off = written_off + %(given_up)s
WHERE account_id = %(account_id)s AND invoice_id = %(invoice_id)s AND balance - %(amount)s BETWEEN 0 AND total
RETURNING balance

-- name: now
-- The instant as the database sees it, by which those who tell of documents look for new ones.
SELECT clock_timestamp()
