-- name: charging
-- The guarded step before money moves: of two that would send, one sees a row; and of a sender and who gives it up.
UPDATE refill
SET state = 'charging', method_id = %(method_id)s, charging_at = clock_timestamp(), asked_at = clock_timestamp(),
    next_ask_at = clock_timestamp() + %(lease)s, outcome = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s) AND given_up_at IS NULL

-- name: attempt
-- The attempt with its key, in the same transaction: there is no charge without its row.
INSERT INTO refill_attempt (account_id, refill_id, attempt, method_id, gateway, token, idempotency_key, facts, first_sent_at, sent_at)
VALUES (%(account_id)s, %(refill_id)s, %(attempt)s, %(method_id)s, %(gateway)s, %(token)s, %(idempotency_key)s, %(facts)s::jsonb,
        clock_timestamp(), clock_timestamp())

-- name: attempt_again
-- The same attempt sent once more under its key.
UPDATE refill_attempt SET sent_at = clock_timestamp(), sends = sends + 1, state = 'sent'
WHERE account_id = %(account_id)s AND refill_id = %(refill_id)s AND attempt = %(attempt)s

-- name: withdraw
-- The end of a refill that was never charged.
UPDATE refill SET state = 'withdrawn', outcome = %(outcome)s, finished_at = clock_timestamp(), next_ask_at = NULL,
                  needs_person_at = %(needs_person_at)s, question = %(question)s
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s)

-- name: decline
-- The end of a refill whose first card was declined and whose second was not charged.
UPDATE refill SET state = 'declined', outcome = %(outcome)s, finished_at = clock_timestamp(), next_ask_at = NULL,
                  needs_person_at = %(needs_person_at)s, question = %(question)s
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s)

-- name: never_received
-- What was sent and never arrived does not count as a failure of the card.
UPDATE refill_attempt SET state = 'never_received', answered_at = clock_timestamp()
WHERE account_id = %(account_id)s AND refill_id = %(refill_id)s AND state IN ('sent', 'unknown')

-- name: claim
-- The turn to speak to the gateway: given when it is time, or when somebody gave the refill up since it was last asked about.
UPDATE refill SET asked_at = clock_timestamp(), next_ask_at = clock_timestamp() + %(lease)s, asks = LEAST(asks + 1, 30000)
WHERE account_id = %(account_id)s AND id = %(id)s AND state IN ('charging', 'unknown', 'action_required')
  AND (next_ask_at IS NULL OR next_ask_at <= clock_timestamp() OR given_up_at > asked_at)

-- name: postpone
-- When a refill that was sent is to be asked about next.
UPDATE refill SET next_ask_at = clock_timestamp() + %(pause)s WHERE account_id = %(account_id)s AND id = %(id)s
