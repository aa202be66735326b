-- name: open_missing
-- Opens the wallets an account does not have yet, one per active credit type; repeating it does nothing.
INSERT INTO wallet (account_id, id, type_code, currency, paid, granted, held, funded_balance, spent_since_funding, created_at)
SELECT %(account_id)s, new.id, new.type_code, %(currency)s, 0, 0, 0, 0, 0, clock_timestamp()
FROM unnest(%(ids)s::uuid[], %(type_codes)s::text[]) AS new (id, type_code)
ON CONFLICT (account_id, type_code) DO NOTHING

-- name: lock
-- Locks an account's wallets in id order, the one order used everywhere, so that money paths never deadlock on wallets.
SELECT id, type_code, currency, paid, granted, held
FROM wallet
WHERE account_id = %(account_id)s AND type_code = ANY(%(type_codes)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: lock_all
-- As lock, for wallets of any accounts; the order is the same, so the two never wait for each other in a circle.
SELECT wallet.account_id, wallet.id, wallet.type_code, wallet.currency, wallet.paid, wallet.granted, wallet.held
FROM (SELECT (key ->> 0)::uuid AS account_id, key ->> 1 AS type_code FROM json_array_elements(%(wallets)s::json) AS key) AS wanted
JOIN wallet ON wallet.account_id = wanted.account_id AND wallet.type_code = wanted.type_code
ORDER BY wallet.account_id, wallet.id
FOR NO KEY UPDATE OF wallet
