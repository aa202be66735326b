-- name: charging
-- The guarded step before money moves: of two that would send, one sees a row; and of a sender and who gives it up. Sent again, a charge keeps the time it was first sent at, from which its key is remembered.
UPDATE payment_intent
SET charging_at = CASE state WHEN 'decided' THEN clock_timestamp() ELSE charging_at END,
    asks = CASE state WHEN 'decided' THEN 0 ELSE asks END,
    state = 'charging', sent_at = clock_timestamp(), asked_at = clock_timestamp(), next_ask_at = clock_timestamp() + %(lease)s,
    outcome = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s) AND given_up_at IS NULL

-- name: withdraw
-- The end of an intent that was never charged, nor told of by its gateway.
UPDATE payment_intent SET state = 'withdrawn', outcome = %(outcome)s, finished_at = clock_timestamp(), next_ask_at = NULL,
                          needs_person_at = NULL, question = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s) AND charge_reference = ''

-- name: postpone
-- When an open payment is to be asked about next.
UPDATE payment_intent SET next_ask_at = clock_timestamp() + %(pause)s
WHERE account_id = %(account_id)s AND id = %(id)s AND state IN ('charging', 'unknown', 'action_required')
