-- name: debit
-- Takes the sums of one batch from the locked wallets in one statement; the parts from granted and paid credit were decided under the locks.
UPDATE wallet
SET granted = wallet.granted - taken.granted,
    paid = wallet.paid - taken.paid,
    spent_since_funding = wallet.spent_since_funding + taken.granted + taken.paid
FROM (SELECT (row ->> 0)::uuid AS account_id, (row ->> 1)::uuid AS id, (row ->> 2)::numeric AS granted, (row ->> 3)::numeric AS paid
      FROM json_array_elements(%(taken)s::json) AS row) AS taken
WHERE wallet.account_id = taken.account_id AND wallet.id = taken.id
