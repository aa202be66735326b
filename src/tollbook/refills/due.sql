-- name: due
-- Automatic wallets at or below their minimum without an open refill, whose amount would count; stopped ones last and in random order, so that many of them never hide a new one.
SELECT w.account_id, w.id, w.type_code, CASE s.code WHEN 'gateway_away' THEN m.gateway END
FROM refill_rule r
JOIN wallet w ON w.account_id = r.account_id AND w.id = r.wallet_id
LEFT JOIN refill_stop s ON s.account_id = r.account_id AND s.wallet_id = r.wallet_id
LEFT JOIN payment_method m ON m.account_id = r.account_id AND m.is_default AND m.removed_at IS NULL
WHERE r.automatic AND w.paid + w.granted <= r.minimum_before_refill
  AND NOT EXISTS (SELECT FROM refill o WHERE o.account_id = r.account_id AND o.wallet_id = r.wallet_id
                  AND o.state IN ('decided', 'charging', 'unknown', 'action_required'))
ORDER BY s.wallet_id IS NOT NULL, random()
LIMIT %(limit)s

-- name: unfinished
-- Open refills to move on: intents at once, the others when it is time to ask again, or when somebody gave one up. Each kind has its own room, and intents that have waited a while take turns: many that wait for one silent gateway hide nobody else's.
(SELECT account_id, id
 FROM refill
 WHERE state = 'decided'
 ORDER BY decided_at < clock_timestamp() - interval '1 minute', random()
 LIMIT %(limit)s)
UNION ALL
(SELECT account_id, id
 FROM refill
 WHERE state IN ('charging', 'unknown', 'action_required')
   AND (next_ask_at IS NULL OR next_ask_at <= clock_timestamp() OR given_up_at > asked_at)
 ORDER BY next_ask_at NULLS FIRST, decided_at
 LIMIT %(limit)s)
