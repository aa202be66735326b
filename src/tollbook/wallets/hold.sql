-- name: lock_wallets
-- The items of holds, with their wallets locked by account and id, the one order used everywhere; what an item's wallet is never changes, so one read is enough.
SELECT item.account_id, item.hold_id, item.position, item.wallet_id
FROM (SELECT (key ->> 0)::uuid AS account_id, (key ->> 1)::uuid AS hold_id FROM json_array_elements(%(holds)s::json) AS key) AS wanted
JOIN hold_item item ON item.account_id = wanted.account_id AND item.hold_id = wanted.hold_id
JOIN wallet ON wallet.account_id = item.account_id AND wallet.id = item.wallet_id
ORDER BY wallet.account_id, wallet.id
FOR NO KEY UPDATE OF wallet

-- name: end_holds
-- The guarded end of holds (of two that end one, one wins) and of single items of them (position > 0), the money back, each change written down, the accounts told: one statement, so that none of it can stand alone.
WITH ending AS (
    SELECT * FROM json_to_recordset(%(endings)s::json)
        AS e (account_id uuid, hold_id uuid, state text, kind text, reason text, position smallint)
), part AS (
    SELECT * FROM json_to_recordset(%(parts)s::json)
        AS p (account_id uuid, hold_id uuid, position smallint, wallet_id uuid, move_id uuid)
), closed AS (
    UPDATE hold SET state = ending.state, closed_at = clock_timestamp(), reason = ending.reason
    FROM ending
    WHERE hold.account_id = ending.account_id AND hold.id = ending.hold_id AND ending.position = 0 AND hold.closed_at IS NULL
      AND (ending.state <> 'expired' OR hold.expires_at < clock_timestamp())
    RETURNING hold.account_id, hold.id AS hold_id, hold.event_id, ending.kind, ending.position
), ended AS (
    SELECT account_id, hold_id, event_id, kind, position FROM closed
    UNION ALL
    SELECT hold.account_id, hold.id, hold.event_id, ending.kind, ending.position
    FROM ending JOIN hold ON hold.account_id = ending.account_id AND hold.id = ending.hold_id
    WHERE ending.position > 0 AND hold.closed_at IS NULL
), freed AS (
    SELECT part.*, ended.event_id, ended.kind, item.amount,
           sum(item.amount) OVER (PARTITION BY part.account_id, part.wallet_id ORDER BY part.move_id DESC) AS amount_from_here
    FROM ended
    JOIN part ON part.account_id = ended.account_id AND part.hold_id = ended.hold_id
             AND ended.position IN (0, part.position)
    JOIN hold_item item ON item.account_id = part.account_id AND item.hold_id = part.hold_id AND item.position = part.position
    WHERE item.amount <> 0
), emptied AS (
    UPDATE hold_item SET quantity = 0, amount = 0
    FROM ended
    WHERE hold_item.account_id = ended.account_id AND hold_item.hold_id = ended.hold_id
      AND hold_item.position = ended.position
), moved AS (
    UPDATE wallet SET held = wallet.held - total.amount
    FROM (SELECT account_id, wallet_id, sum(amount) AS amount FROM freed GROUP BY account_id, wallet_id) AS total
    WHERE wallet.account_id = total.account_id AND wallet.id = total.wallet_id
    RETURNING wallet.account_id, wallet.id AS wallet_id, wallet.held
), noted AS (
    INSERT INTO hold_move (account_id, id, wallet_id, hold_id, event_id, at, kind, amount, held_before, held_after)
    SELECT freed.account_id, freed.move_id, freed.wallet_id, freed.hold_id, freed.event_id, statement_timestamp(),
           freed.kind, -freed.amount, moved.held + freed.amount_from_here, moved.held + freed.amount_from_here - freed.amount
    FROM freed JOIN moved ON moved.account_id = freed.account_id AND moved.wallet_id = freed.wallet_id
)
SELECT account_id, hold_id, position, pg_notify(%(channel)s, account_id::text) FROM ended

-- name: items
-- What holds set aside, in order of position.
SELECT item.account_id, item.hold_id, item.position, item.wallet_id, item.type_code, item.quantity, item.amount, item."to", item.sender
FROM (SELECT (key ->> 0)::uuid AS account_id, (key ->> 1)::uuid AS hold_id FROM json_array_elements(%(holds)s::json) AS key) AS wanted
JOIN hold_item item ON item.account_id = wanted.account_id AND item.hold_id = wanted.hold_id
ORDER BY item.account_id, item.hold_id, item.position

-- name: held_for
-- Which items of open holds are about these events: all of a hold's for its own event, one for the event of a single type.
SELECT hold.account_id, hold.id, wanted.type_code, item.type_code, item.position
FROM (SELECT (name ->> 0)::uuid AS account_id, name ->> 1 AS event_id, name ->> 2 AS type_code
      FROM json_array_elements(%(names)s::json) AS name) AS wanted
JOIN hold ON hold.account_id = wanted.account_id AND hold.event_id = wanted.event_id AND hold.closed_at IS NULL
JOIN hold_item item ON item.account_id = hold.account_id AND item.hold_id = hold.id
WHERE wanted.type_code = '' OR (item.type_code = wanted.type_code AND item.position > 1)

-- name: expired
-- Open holds whose time is over, some accounts' worth at a time; a plain read, each account's are then closed in a transaction of their own.
SELECT account_id, id FROM hold WHERE state = 'open' AND expires_at < clock_timestamp() ORDER BY expires_at LIMIT 500
