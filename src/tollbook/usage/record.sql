-- name: staging
-- A private table of this connection, emptied at every commit: COPY is the fastest way in, and only the INSERT below touches the keyed table.
CREATE TEMPORARY TABLE IF NOT EXISTS usage_staging (
    event_id text NOT NULL, type_code text NOT NULL, occurred_at timestamptz NOT NULL, quantity numeric NOT NULL,
    billed_quantity numeric NOT NULL, rate_account_id uuid NOT NULL, rate_id uuid NOT NULL, rate_cents numeric NOT NULL,
    connect_fee numeric NOT NULL, cost numeric NOT NULL, destination text NOT NULL, sender text NOT NULL,
    attributes jsonb NOT NULL, transfer_id uuid, hold_id uuid, body_digest bytea NOT NULL
) ON COMMIT DELETE ROWS

-- name: copy_in
-- The batch, streamed.
COPY usage_staging (event_id, type_code, occurred_at, quantity, billed_quantity, rate_account_id, rate_id, rate_cents,
                    connect_fee, cost, destination, sender, attributes, transfer_id, hold_id, body_digest) FROM STDIN

-- name: insert_new
-- Deduplication, for ever and in the debit's own transaction: what is new comes back; sorted, so that two batches with the same ids wait for each other in one order.
INSERT INTO usage_event (account_id, event_id, type_code, occurred_at, received_at, quantity, billed_quantity,
                         rate_account_id, rate_id, rate_cents, connect_fee, cost, "to", sender, attributes, transfer_id,
                         hold_id, body_digest)
SELECT %(account_id)s, event_id, type_code, occurred_at, transaction_timestamp(), quantity, billed_quantity,
       rate_account_id, rate_id, rate_cents, connect_fee, cost, destination, sender, attributes, transfer_id,
       hold_id, body_digest
FROM usage_staging
ORDER BY event_id
ON CONFLICT (account_id, event_id) DO NOTHING
RETURNING event_id

-- name: known_bodies
-- The digests of events that were there already, to tell a repetition from a conflict.
SELECT event_id, body_digest FROM usage_event WHERE account_id = %(account_id)s AND event_id = ANY(%(event_ids)s)

-- name: add_to_sums
-- The roll-up by quarter of an hour, in step with the events because it is the same transaction; sorted for one lock order.
INSERT INTO usage_sum (account_id, type_code, quarter_at, events, quantity, billed_quantity, cost)
SELECT %(account_id)s, s.type_code, s.quarter_at, s.events, s.quantity, s.billed, s.cost
FROM unnest(%(type_codes)s::text[], %(quarters)s::timestamptz[], %(events)s::bigint[], %(quantities)s::numeric[],
            %(billed)s::numeric[], %(costs)s::numeric[]) AS s (type_code, quarter_at, events, quantity, billed, cost)
ORDER BY s.type_code, s.quarter_at
ON CONFLICT (account_id, type_code, quarter_at) DO UPDATE
SET events = usage_sum.events + excluded.events,
    quantity = usage_sum.quantity + excluded.quantity,
    billed_quantity = usage_sum.billed_quantity + excluded.billed_quantity,
    cost = usage_sum.cost + excluded.cost
