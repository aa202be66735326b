-- name: send_again
-- A new schedule for what ended; the attempts go on counting, so that the log keeps every one.
UPDATE alert_delivery
SET state = 'waiting', due_at = clock_timestamp(), tries = 0, finished_at = NULL, claim = NULL, outcome = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state <> 'waiting'

-- name: missed
-- How many events that an endpoint wants never arrived there.
SELECT count(*)
FROM alert_delivery d JOIN alert_notice n ON n.account_id = d.account_id AND n.id = d.notice_id
WHERE d.account_id = %(account_id)s AND d.channel = 'webhook' AND d.recipient = %(endpoint)s AND d.state = 'failed'
  AND n.kind = ANY(%(kinds)s::text[])

-- name: send_missed
-- The same, due from now on: a millisecond apart, so that they go in the order in which they happened.
UPDATE alert_delivery d
SET state = 'waiting', due_at = clock_timestamp() + missed.place * interval '1 millisecond', tries = 0, finished_at = NULL,
    claim = NULL, outcome = ''
FROM (
    SELECT d.id, row_number() OVER (ORDER BY n.occurred_at, n.id) AS place
    FROM alert_delivery d JOIN alert_notice n ON n.account_id = d.account_id AND n.id = d.notice_id
    WHERE d.account_id = %(account_id)s AND d.channel = 'webhook' AND d.recipient = %(endpoint)s AND d.state = 'failed'
      AND n.kind = ANY(%(kinds)s::text[])
) AS missed
WHERE d.account_id = %(account_id)s AND d.id = missed.id AND d.state = 'failed'
