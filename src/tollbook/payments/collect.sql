-- name: unfinished
-- Open payments to move on: intents at once (but a page that somebody is about to open), the others when it is time to ask, or when somebody gave one up.
SELECT account_id, id
FROM payment_intent
WHERE state IN ('decided', 'charging', 'unknown', 'action_required')
  AND CASE WHEN state = 'decided' THEN NOT on_page OR given_up_at IS NOT NULL OR decided_at < clock_timestamp() - %(stale)s::interval
           ELSE next_ask_at IS NULL OR next_ask_at <= clock_timestamp() OR given_up_at > asked_at END
ORDER BY decided_at
LIMIT %(limit)s

-- name: claim
-- The turn to speak to the gateway about a payment that was sent, when it is time to: a lease, after which it is somebody else's.
UPDATE payment_intent SET asked_at = clock_timestamp(), next_ask_at = clock_timestamp() + %(lease)s, asks = LEAST(asks + 1, 30000)
WHERE account_id = %(account_id)s AND id = %(id)s AND state IN ('charging', 'unknown', 'action_required')
  AND (next_ask_at IS NULL OR next_ask_at <= clock_timestamp() OR given_up_at > asked_at)
