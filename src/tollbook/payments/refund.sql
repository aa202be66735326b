-- name: unfinished
-- Refunds to move on: decided ones at once, the others when it is time to ask, by the rule of `claim`.
SELECT account_id, id
FROM refund
WHERE state IN ('decided', 'sending', 'unknown')
  AND (state = 'decided'
       OR asked_at + CASE state WHEN 'sending' THEN %(lease)s::interval
          ELSE (ARRAY[interval '4 seconds', '30 seconds', '5 minutes', '1 hour'])[LEAST(asks, 3) + 1] END <= clock_timestamp())
ORDER BY decided_at
LIMIT %(limit)s

-- name: claim
-- The turn to speak to the gateway: at once the first time, then after 4 seconds, 30 seconds, 5 minutes, every hour; a lease for who is speaking.
UPDATE refund
SET asks = CASE state WHEN 'decided' THEN 0 ELSE asks + 1 END, state = CASE state WHEN 'decided' THEN 'sending' ELSE state END,
    sent_at = coalesce(sent_at, clock_timestamp()), asked_at = clock_timestamp()
WHERE account_id = %(account_id)s AND id = %(id)s AND state IN ('decided', 'sending', 'unknown')
  AND (state = 'decided'
       OR asked_at + CASE state WHEN 'sending' THEN %(lease)s::interval
          ELSE (ARRAY[interval '4 seconds', '30 seconds', '5 minutes', '1 hour'])[LEAST(asks, 3) + 1] END <= clock_timestamp())

-- name: wallet_of
-- The wallet whose refill a payment paid: by its refill's invoice and the transfer that the refill is in the books.
SELECT t.wallet_id
FROM settlement s
JOIN invoice i ON i.account_id = s.account_id AND i.id = s.invoice_id AND i.kind = 'refill'
JOIN transfer t ON t.account_id = s.account_id AND t.kind = 'refill' AND t.reference = i.cause
WHERE s.account_id = %(account_id)s AND s.payment_id = %(payment_id)s
LIMIT 1
