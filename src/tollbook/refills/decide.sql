-- name: insert
-- The intent. Of two deciders one inserts and the other sees no row: one open refill per wallet, one refill per request.
INSERT INTO refill (account_id, id, wallet_id, automatic, amount, currency, state, attempt, reason, trigger_balance, rule,
                    requested_by, decided_at, outcome, charge_reference, request_key, why, method_id)
VALUES (%(account_id)s, %(id)s, %(wallet_id)s, %(automatic)s, %(amount)s, %(currency)s, 'decided', 1, %(reason)s,
        %(trigger_balance)s, %(rule)s::jsonb, %(requested_by)s, clock_timestamp(), '', '', %(request_key)s, %(why)s::jsonb, %(method_id)s)
ON CONFLICT DO NOTHING
