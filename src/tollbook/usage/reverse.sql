-- name: left
-- How many reversals an event has, how many of these are archived, and what they took in all; the next one is at the place behind them.
SELECT count(taken.place), count(taken.place) - count(event.event_id), coalesce(sum(event.quantity), 0), coalesce(sum(event.billed_quantity), 0), coalesce(sum(event.cost), 0)
FROM usage_reversal AS taken
LEFT JOIN usage_event AS event ON event.account_id = taken.account_id AND event.event_id = taken.event_id
WHERE taken.account_id = %(account_id)s AND taken.reverses_id = %(reverses_id)s

-- name: insert_event
-- The reversal is an event of its own, deduplicated as every event; all that tells where its money belongs is the original's.
INSERT INTO usage_event (occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, event_id, type_code, quantity,
                         billed_quantity, cost, "to", sender, attributes)
SELECT %(occurred_at)s, account_id, %(transfer_id)s, rate_id, campaign_id, agent_id, %(event_id)s, type_code, %(quantity)s,
       %(billed)s, %(cost)s, "to", sender, '{}'
FROM usage_event
WHERE account_id = %(account_id)s AND event_id = %(reverses_id)s
ON CONFLICT (account_id, event_id) DO NOTHING

-- name: insert_reversal
-- Two reversals of one event that come at once ask for the same place; the second one waits here and then finds it taken.
INSERT INTO usage_reversal (account_id, reverses_id, place, event_id, asked_quantity, reason, actor)
VALUES (%(account_id)s, %(reverses_id)s, %(place)s, %(event_id)s, %(asked_quantity)s, %(reason)s, %(actor)s)
ON CONFLICT DO NOTHING

-- name: archived
-- Whether one of the two events left the table meanwhile: asked after the inserts, so that it sees what they could not.
SELECT event_id FROM usage_archived WHERE account_id = %(account_id)s AND event_id = ANY(%(event_ids)s::text[]) LIMIT 1

-- name: debits
-- The transfer that debited an event, and, when it took granted credit too, those that gave parts of it back before; read with the wallet locked.
SELECT %(transfer_id)s::uuid
UNION
SELECT taken.transfer_id
FROM usage_event AS event
JOIN usage_reversal AS reversal ON reversal.account_id = event.account_id AND reversal.reverses_id = event.event_id
JOIN usage_event AS taken ON taken.account_id = reversal.account_id AND taken.event_id = reversal.event_id
WHERE event.account_id = %(account_id)s AND event.transfer_id = %(transfer_id)s
  AND EXISTS (SELECT FROM entry WHERE account_id = %(account_id)s AND transfer_id = %(transfer_id)s AND code = %(granted)s)

-- name: add_to_sums
-- The roll-up by quarter of an hour, in step because it is the same transaction.
INSERT INTO usage_sum (account_id, type_code, quarter_at, events, quantity, billed_quantity, cost)
VALUES (%(account_id)s, %(type_code)s, %(quarter_at)s, 1, %(quantity)s, %(billed)s, %(cost)s)
ON CONFLICT (account_id, type_code, quarter_at) DO UPDATE
SET events = usage_sum.events + excluded.events,
    quantity = usage_sum.quantity + excluded.quantity,
    billed_quantity = usage_sum.billed_quantity + excluded.billed_quantity,
    cost = usage_sum.cost + excluded.cost

-- name: add_to_backlog
-- What the roll-ups by attribute are owed.
INSERT INTO usage_backlog (account_id, transfer_id, type_code, events, packed)
VALUES (%(account_id)s, %(transfer_id)s, %(type_code)s, 1, %(packed)s)
