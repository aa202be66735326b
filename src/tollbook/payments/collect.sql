-- name: unfinished
-- Open payments to move on: intents at once (but a page that somebody is about to open), the others when it is time to ask, by the rule of `claim`.
SELECT account_id, id
FROM payment_intent
WHERE state IN ('decided', 'charging', 'unknown', 'action_required')
  AND CASE WHEN state = 'decided' THEN NOT on_page OR decided_at < clock_timestamp() - %(stale)s::interval
           ELSE asked_at + CASE state WHEN 'charging' THEN GREATEST(%(lease)s::interval, asked_at - charging_at)
                WHEN 'unknown' THEN (ARRAY[interval '4 seconds', '30 seconds', '5 minutes', '1 hour'])[LEAST(asks, 3) + 1]
                ELSE LEAST(GREATEST(asked_at - charging_at, interval '1 minute'), interval '15 minutes') END
                <= clock_timestamp() END
ORDER BY decided_at
LIMIT %(limit)s

-- name: claim
-- The turn to speak to the gateway: 4 seconds after it did not answer, then 30 seconds, 5 minutes, every hour; a lease for who is speaking.
UPDATE payment_intent SET asked_at = clock_timestamp(), asks = asks + 1
WHERE account_id = %(account_id)s AND id = %(id)s AND state IN ('charging', 'unknown', 'action_required')
  AND asked_at + CASE state WHEN 'charging' THEN GREATEST(%(lease)s::interval, asked_at - charging_at)
      WHEN 'unknown' THEN (ARRAY[interval '4 seconds', '30 seconds', '5 minutes', '1 hour'])[LEAST(asks, 3) + 1]
      ELSE LEAST(GREATEST(asked_at - charging_at, interval '1 minute'), interval '15 minutes') END <= clock_timestamp()
