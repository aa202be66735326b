-- name: charging
-- The guarded step before money moves: of two that would send, one sees a row. Sent again, a charge keeps the time it was first sent at.
UPDATE payment_intent
SET charging_at = CASE state WHEN 'decided' THEN clock_timestamp() ELSE charging_at END,
    asks = CASE state WHEN 'decided' THEN 0 ELSE asks END,
    state = 'charging', asked_at = clock_timestamp(), outcome = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s)

-- name: withdraw
-- The end of an intent that was never charged.
UPDATE payment_intent SET state = 'withdrawn', outcome = %(outcome)s, finished_at = clock_timestamp()
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s)
