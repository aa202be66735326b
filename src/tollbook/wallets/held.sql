-- name: lock_purses
-- Locks wallets of any accounts by account and id, the one order used everywhere, and says what each has available by its account's zero rule as it is now.
SELECT wallet.account_id, wallet.type_code, wallet.id, wallet.held,
       wallet.paid + wallet.granted - wallet.held
       + CASE WHEN account.zero_rule = %(overdraft)s THEN account.overdraft_limit ELSE 0 END,
       account.zero_rule, statement_timestamp()
FROM (SELECT (key ->> 0)::uuid AS account_id, key ->> 1 AS type_code FROM json_array_elements(%(keys)s::json) AS key) AS wanted
JOIN wallet ON wallet.account_id = wanted.account_id AND wallet.type_code = wanted.type_code
JOIN account ON account.id = wallet.account_id
ORDER BY wallet.account_id, wallet.id
FOR NO KEY UPDATE OF wallet

-- name: open_all
-- New holds, but none for an event that has an open one; the caller notices by the count.
INSERT INTO hold (account_id, id, event_id, state, opened_at, expires_at, reason)
SELECT account_id, id, event_id, 'open', opened_at, expires_at, ''
FROM json_to_recordset(%(holds)s::json)
    AS new (account_id uuid, id uuid, event_id text, opened_at timestamptz, expires_at timestamptz)
ON CONFLICT (account_id, event_id, closed_at) DO NOTHING

-- name: lock_holds
-- Locks holds by account and id, the one order used everywhere, and reads their items; those of locked wallets are as they stand.
SELECT item.account_id, item.hold_id, item.position, item.wallet_id, item.type_code, item.quantity, item.amount, item."to",
       item.sender, hold.event_id, hold.state, hold.expires_at
FROM (SELECT (key ->> 0)::uuid AS account_id, (key ->> 1)::uuid AS hold_id FROM json_array_elements(%(holds)s::json) AS key) AS wanted
JOIN hold ON hold.account_id = wanted.account_id AND hold.id = wanted.hold_id
JOIN hold_item item ON item.account_id = hold.account_id AND item.hold_id = hold.id
ORDER BY hold.account_id, hold.id, item.position
FOR NO KEY UPDATE OF hold

-- name: write_held
-- What is held now by each item, the wallets' sums, each change written down and the accounts told, for holds of any accounts in one statement, so that none of it can stand alone.
WITH item AS (
    INSERT INTO hold_item (account_id, hold_id, position, wallet_id, type_code, quantity, amount, "to", sender)
    SELECT account_id, hold_id, position, wallet_id, type_code, quantity, amount, "to", sender
    FROM json_to_recordset(%(items)s::json)
        AS i (account_id uuid, hold_id uuid, position smallint, wallet_id uuid, type_code text, quantity numeric,
              amount numeric, "to" text, sender text)
    ON CONFLICT (account_id, hold_id, position) DO UPDATE SET quantity = excluded.quantity, amount = excluded.amount
), move AS (
    SELECT * FROM json_to_recordset(%(moves)s::json)
        AS m (account_id uuid, id uuid, wallet_id uuid, hold_id uuid, event_id text, amount numeric, held_before numeric)
), prolonged AS (
    UPDATE hold SET expires_at = longer.expires_at
    FROM json_to_recordset(%(prolonged)s::json) AS longer (account_id uuid, id uuid, expires_at timestamptz)
    WHERE hold.account_id = longer.account_id AND hold.id = longer.id
), moved AS (
    UPDATE wallet SET held = wallet.held + total.amount
    FROM (SELECT account_id, wallet_id, sum(amount) AS amount FROM move GROUP BY account_id, wallet_id) AS total
    WHERE wallet.account_id = total.account_id AND wallet.id = total.wallet_id
), noted AS (
    INSERT INTO hold_move (account_id, id, wallet_id, hold_id, event_id, at, kind, amount, held_before, held_after)
    SELECT account_id, id, wallet_id, hold_id, event_id, statement_timestamp(), %(kind)s, amount, held_before,
           held_before + amount
    FROM move
)
SELECT pg_notify(%(channel)s, account_id) FROM json_array_elements_text(%(account_ids)s::json) AS account_id
