-- name: staging
-- A private table of this connection, for batches with known events: only the INSERT below touches the keyed table.
CREATE TEMPORARY TABLE IF NOT EXISTS usage_staging (
    occurred_at timestamptz NOT NULL, account_id uuid NOT NULL, transfer_id uuid NOT NULL, rate_id uuid NOT NULL,
    campaign_id integer NOT NULL, agent_id integer NOT NULL, quantity numeric(20, 6) NOT NULL, billed_quantity numeric(20, 6) NOT NULL,
    cost numeric(20, 6) NOT NULL, event_id varchar(200) COLLATE "C" NOT NULL, type_code varchar(32) COLLATE "C" NOT NULL,
    destination varchar(64) NOT NULL, sender varchar(64) NOT NULL, attributes jsonb NOT NULL
) ON COMMIT DELETE ROWS

-- name: copy_in
-- The batch, with every value as the server keeps it, in the order of its rows.
COPY usage_staging (occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, quantity, billed_quantity, cost,
                    event_id, type_code, destination, sender, attributes) FROM STDIN (FORMAT binary)

-- name: any_known
-- Whether any of these few events of a batch is known: then others may be, and COPY would be for nothing.
SELECT EXISTS (
    SELECT FROM unnest(%(account_ids)b::uuid[], %(event_ids)b::text[]) AS asked (account_id, event_id)
    JOIN usage_event AS event ON event.account_id = asked.account_id AND event.event_id = asked.event_id)

-- name: copy_new
-- The batch straight into the keyed table, with every value as the server keeps it; fails as a whole when an event is known.
COPY usage_event_rows (occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, quantity, billed_quantity, cost,
                       event_id, type_code, "to", sender, attributes) FROM STDIN (FORMAT binary)

-- name: leave_out_archived
-- Archived events are known although the table of events has them no longer; run only for accounts that have an archive. OFFSET 0 keeps it one look-up in the index for each event: planned as a join, it might read all keys there are for a batch of one.
DELETE FROM usage_staging AS staged
WHERE EXISTS (
    SELECT FROM usage_archived AS gone
    WHERE gone.account_id = staged.account_id AND gone.event_id = staged.event_id
    OFFSET 0)

-- name: insert_new
-- Deduplication, for ever and in the debit's own transaction. The rows come in the order in which they were copied, which is the same everywhere, so that two batches with the same ids wait for each other in one order.
INSERT INTO usage_event (occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, event_id, type_code, quantity,
                         billed_quantity, cost, "to", sender, attributes)
SELECT occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, event_id, type_code, quantity,
       billed_quantity, cost, destination, sender, attributes
FROM usage_staging
ON CONFLICT (account_id, event_id) DO NOTHING

-- name: found_new
-- Which rows of the batch were new: those that carry the batch's own transfer; asked only when the count says that some were not.
SELECT staged.account_id, staged.event_id
FROM usage_staging AS staged
JOIN usage_event AS event ON event.account_id = staged.account_id AND event.event_id = staged.event_id
WHERE event.transfer_id = staged.transfer_id

-- name: clear
-- Room for another batch of the same transaction.
DELETE FROM usage_staging

-- name: insert_few
-- As copy_in and insert_new in one statement, for a handful of events; answers which of them were new.
INSERT INTO usage_event (occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, event_id, type_code, quantity,
                         billed_quantity, cost, "to", sender, attributes)
SELECT 'epoch'::timestamptz + occurred_us * '1 microsecond'::interval, account_id, transfer_id, rate_id, campaign_id, agent_id,
       event_id, type_code, quantity * 0.000001, billed * 0.000001, cost * 0.000001, "to", sender, attributes
FROM json_to_recordset(%(events)s::json)
     AS e (occurred_us bigint, account_id uuid, transfer_id uuid, rate_id uuid, campaign_id int, agent_id int, event_id text,
           type_code text, quantity numeric, billed numeric, cost numeric, "to" text, sender text, attributes jsonb)
ON CONFLICT (account_id, event_id) DO NOTHING
RETURNING account_id, event_id

-- name: holding
-- Accounts with an open hold, be it of nothing (with 0); and, to spare a round trip, how many archived files each has that has any.
SELECT one.account_id, 0 FROM unnest(%(account_ids)b::uuid[]) AS one (account_id)
WHERE EXISTS (SELECT FROM hold WHERE hold.account_id = one.account_id AND hold.state = 'open')
UNION ALL
SELECT account_id, count(*) FROM usage_archive WHERE account_id = ANY(%(account_ids)b::uuid[]) GROUP BY account_id

-- name: add_up
-- The end of a recording, in one round trip: the roll-up by quarter of an hour (sorted for one lock order), what the roll-ups by attribute are owed, and the wake-ups, which are sent with the commit. All in the events' own transaction, so that none is forgotten.
WITH summed AS (
    INSERT INTO usage_sum (account_id, type_code, quarter_at, events, quantity, billed_quantity, cost)
    SELECT s.account_id, s.type_code, 'epoch'::timestamptz + s.quarter * '15 minutes'::interval, s.events, s.quantity, s.billed, s.cost
    FROM json_to_recordset(%(sums)s::json)
         AS s (account_id uuid, type_code text, quarter int, events bigint, quantity numeric, billed numeric, cost numeric)
    ON CONFLICT (account_id, type_code, quarter_at) DO UPDATE
    SET events = usage_sum.events + excluded.events,
        quantity = usage_sum.quantity + excluded.quantity,
        billed_quantity = usage_sum.billed_quantity + excluded.billed_quantity,
        cost = usage_sum.cost + excluded.cost
), owed AS (
    INSERT INTO usage_backlog (account_id, transfer_id, type_code, events, packed)
    SELECT account_id, transfer_id, type_code, events, substr(%(packed)b::bytea, first * %(width)s::int + 1, events * %(width)s::int)
    FROM json_to_recordset(%(owed)s::json) AS o (account_id uuid, transfer_id uuid, type_code text, first int, events int)
)
SELECT pg_notify(%(channel)s, account_id::text)
FROM (SELECT DISTINCT account_id FROM json_to_recordset(%(owed)s::json) AS o (account_id uuid)) AS told
