-- name: open
-- The place of a payment's credit; there is one at most.
INSERT INTO open_credit (account_id, payment_id, balance)
VALUES (%(account_id)s, %(payment_id)s, 0)
ON CONFLICT (account_id, payment_id) DO NOTHING

-- name: add
-- More credit out of a payment; the account's row is locked by the caller, so credits take turns.
UPDATE open_credit SET balance = balance + %(amount)s
WHERE account_id = %(account_id)s AND payment_id = %(payment_id)s

-- name: draw
-- The guarded update: changes nothing when less is there than would be taken.
UPDATE open_credit SET balance = balance - %(amount)s
WHERE account_id = %(account_id)s AND payment_id = %(payment_id)s AND balance >= %(amount)s

-- name: next
-- The oldest credit that may be used and the open invoice that is due first, in one currency; frozen is what an open dispute is about.
SELECT c.payment_id, c.balance, o.invoice_id, o.balance
FROM open_credit c
JOIN payment p ON p.account_id = c.account_id AND p.id = c.payment_id
JOIN open_balance o ON o.account_id = c.account_id AND o.balance > 0
JOIN invoice i ON i.account_id = o.account_id AND i.id = o.invoice_id AND i.currency = p.currency
WHERE c.account_id = %(account_id)s AND c.balance > 0
  AND NOT EXISTS (SELECT FROM dispute d WHERE d.account_id = c.account_id AND d.payment_id = c.payment_id AND d.state = 'open')
  AND NOT EXISTS (SELECT FROM payment_intent n WHERE n.account_id = o.account_id AND n.invoice_id = o.invoice_id
                  AND n.state IN ('charging', 'unknown', 'action_required'))
ORDER BY p.received_at, c.payment_id, o.due_on, o.sequence
LIMIT 1

-- name: accounts
-- Accounts that have credit and owe something; a plain read, the credit is looked at again under the account's lock.
SELECT DISTINCT c.account_id
FROM open_credit c
WHERE c.balance > 0
  AND EXISTS (SELECT FROM open_balance o WHERE o.account_id = c.account_id AND o.balance > 0)
LIMIT %(limit)s
