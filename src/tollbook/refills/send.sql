-- name: charging
-- The guarded step before money moves: of two that would send, one sees a row.
UPDATE refill
SET state = 'charging', method_id = %(method_id)s, charging_at = clock_timestamp(), asked_at = clock_timestamp(), outcome = ''
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s)

-- name: withdraw
-- The end of a refill that was never charged.
UPDATE refill SET state = 'withdrawn', outcome = %(outcome)s, finished_at = clock_timestamp()
WHERE account_id = %(account_id)s AND id = %(id)s AND state = ANY(%(states)s)

-- name: claim
-- The turn to speak to the gateway: given when it was last spoken to long enough ago, by the rule that `due.unfinished` reads.
UPDATE refill SET asked_at = clock_timestamp()
WHERE account_id = %(account_id)s AND id = %(id)s AND state IN ('charging', 'unknown', 'action_required')
  AND asked_at + LEAST(GREATEST(asked_at - charging_at, CASE state WHEN 'unknown' THEN interval '2 seconds' ELSE %(lease)s END),
                       interval '15 minutes') <= clock_timestamp()
