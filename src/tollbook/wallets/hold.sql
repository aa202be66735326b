-- name: open_hold
-- A new hold, unless one is open for the same event; the caller notices by the count.
INSERT INTO hold (account_id, id, event_id, state, opened_at, expires_at, reason)
VALUES (%(account_id)s, %(id)s, %(event_id)s, 'open', clock_timestamp(), clock_timestamp() + %(ttl)s, '')
ON CONFLICT (account_id, event_id) WHERE state = 'open' DO NOTHING
RETURNING opened_at, expires_at

-- name: add_items
-- What the hold sets aside, one row per wallet.
INSERT INTO hold_item (account_id, hold_id, position, wallet_id, type_code, quantity, amount, "to", sender)
SELECT %(account_id)s, %(hold_id)s, i.position, i.wallet_id, i.type_code, i.quantity, i.amount, i.destination, i.sender
FROM unnest(%(positions)s::smallint[], %(wallet_ids)s::uuid[], %(type_codes)s::text[], %(quantities)s::numeric[],
            %(amounts)s::numeric[], %(destinations)s::text[], %(senders)s::text[])
     AS i (position, wallet_id, type_code, quantity, amount, destination, sender)

-- name: move_held
-- Changes what is held in the locked wallets and writes each change down, in one statement so that neither can stand alone.
WITH change AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(wallet_ids)s::uuid[], %(amounts)s::numeric[]) AS c (id, wallet_id, amount)
), moved AS (
    UPDATE wallet SET held = wallet.held + change.amount
    FROM change
    WHERE wallet.account_id = %(account_id)s AND wallet.id = change.wallet_id
    RETURNING change.id, wallet.id AS wallet_id, change.amount, wallet.held
)
INSERT INTO hold_move (account_id, id, wallet_id, hold_id, event_id, at, kind, amount, held_before, held_after)
SELECT %(account_id)s, moved.id, moved.wallet_id, %(hold_id)s, %(event_id)s, clock_timestamp(), %(kind)s,
       moved.amount, moved.held - moved.amount, moved.held
FROM moved

-- name: close_hold
-- The guarded end of a hold: of two closers one wins and the other sees no row; one that was extended meanwhile does not expire.
UPDATE hold SET state = %(state)s, closed_at = clock_timestamp(), reason = %(reason)s
WHERE account_id = %(account_id)s AND id = %(id)s AND state = 'open'
  AND (%(state)s <> 'expired' OR expires_at < clock_timestamp())
RETURNING event_id

-- name: extend_hold
-- More time for an open hold; a hold that is over gives no row.
UPDATE hold SET expires_at = GREATEST(expires_at, clock_timestamp() + %(ttl)s)
WHERE account_id = %(account_id)s AND id = %(id)s AND state = 'open'
RETURNING event_id, expires_at

-- name: grow_items
-- Adds what was extended to the hold's items.
UPDATE hold_item SET quantity = hold_item.quantity + more.quantity, amount = hold_item.amount + more.amount
FROM unnest(%(positions)s::smallint[], %(quantities)s::numeric[], %(amounts)s::numeric[]) AS more (position, quantity, amount)
WHERE hold_item.account_id = %(account_id)s AND hold_item.hold_id = %(hold_id)s AND hold_item.position = more.position

-- name: expired
-- Open holds whose time is over, some accounts' worth at a time; a plain read, each is then closed in its own transaction.
SELECT account_id, id FROM hold WHERE state = 'open' AND expires_at < clock_timestamp() ORDER BY expires_at LIMIT 500
