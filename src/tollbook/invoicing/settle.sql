-- name: lock_account
-- Settlements of one account take turns, because a payment's row is append-only and can't be locked itself.
SELECT id FROM account WHERE id = %(account_id)s FOR NO KEY UPDATE

-- name: look
-- Everything that decides about a settlement, read after the account was locked, so nothing of it moves meanwhile.
SELECT open_balance.number, open_balance.balance, invoice.currency AS invoice_currency, payment.currency,
       payment.gateway, payment.amount,
       (SELECT coalesce(sum(settlement.amount), 0) FROM settlement
        WHERE settlement.account_id = %(account_id)s AND settlement.payment_id = %(payment_id)s) AS used,
       (SELECT coalesce(sum(settlement.amount), 0) FROM settlement
        WHERE settlement.account_id = %(account_id)s AND settlement.invoice_id = %(invoice_id)s
          AND settlement.payment_id = %(payment_id)s) AS here,
       (SELECT settlement.amount FROM settlement
        WHERE settlement.account_id = %(account_id)s AND settlement.invoice_id = %(invoice_id)s
          AND settlement.payment_id = %(payment_id)s AND settlement.cause = %(cause)s) AS known
FROM open_balance
JOIN invoice ON invoice.account_id = open_balance.account_id AND invoice.id = open_balance.invoice_id
JOIN payment ON payment.account_id = open_balance.account_id AND payment.id = %(payment_id)s
WHERE open_balance.account_id = %(account_id)s AND open_balance.invoice_id = %(invoice_id)s

-- name: take_off
-- The guarded update: locks the open balance, and changes nothing when less is owed than would be taken off.
UPDATE open_balance
SET balance = balance - %(amount)s
WHERE account_id = %(account_id)s AND invoice_id = %(invoice_id)s AND balance >= %(amount)s
RETURNING balance

-- name: insert_settlement
-- Says which part of which payment it was and why, once per invoice, payment and cause.
INSERT INTO settlement (account_id, id, invoice_id, payment_id, amount, settled_at, cause)
VALUES (%(account_id)s, %(id)s, %(invoice_id)s, %(payment_id)s, %(amount)s, clock_timestamp(), %(cause)s)
