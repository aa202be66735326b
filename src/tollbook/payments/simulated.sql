-- name: remember
-- The simulated gateway's charge: the first of a key is what happened, whatever is sent under that key again.
INSERT INTO simulated_charge (account_id, idempotency_key, reference, token, currency, amount, outcome, decline_code, created_at)
VALUES (%(account_id)s, %(idempotency_key)s, %(reference)s, %(token)s, %(currency)s, %(amount)s, %(outcome)s,
        %(decline_code)s, clock_timestamp())
ON CONFLICT (account_id, idempotency_key) DO NOTHING
