-- name: send_again
-- A new schedule for what ended; the attempts go on counting, so that the log keeps every one.
UPDATE alert_delivery
SET state = 'waiting', due_at = clock_timestamp(), tries = 0, finished_at = NULL, claim = NULL, outcome = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state <> 'waiting'
