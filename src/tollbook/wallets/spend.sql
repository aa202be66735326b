-- name: debit
-- Takes the sums of one batch from the locked wallets in one statement; the parts from granted and paid credit were decided under the locks.
UPDATE wallet
SET granted = wallet.granted - taken.granted,
    paid = wallet.paid - taken.paid,
    spent_since_funding = wallet.spent_since_funding + taken.granted + taken.paid
FROM unnest(%(account_ids)b::uuid[], %(ids)b::uuid[], %(granted)b::numeric[], %(paid)b::numeric[]) AS taken (account_id, id, granted, paid)
WHERE wallet.account_id = taken.account_id AND wallet.id = taken.id
