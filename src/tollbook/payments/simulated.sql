-- name: remember
-- The simulated gateway's charge: the first of a key is what happened, whatever is sent under that key again.
INSERT INTO simulated_charge (account_id, idempotency_key, reference, token, currency, amount, outcome, decline_code, created_at)
VALUES (%(account_id)s, %(idempotency_key)s, %(reference)s, %(token)s, %(currency)s, %(amount)s, %(outcome)s,
        %(decline_code)s, clock_timestamp())
ON CONFLICT (account_id, idempotency_key) DO NOTHING

-- name: remember_refund
-- A refund, once per key, and only as much as is left of its charge, as summed in the same statement.
INSERT INTO simulated_charge (account_id, idempotency_key, reference, token, currency, amount, outcome, decline_code, created_at)
SELECT c.account_id, %(idempotency_key)s, %(reference)s, c.reference, c.currency, %(amount)s, 'refund', '', clock_timestamp()
FROM simulated_charge c
WHERE c.account_id = %(account_id)s AND c.reference = %(charge)s AND c.outcome = 'succeeded' AND c.currency = %(currency)s
  AND %(amount)s <= c.amount - coalesce((SELECT sum(r.amount) FROM simulated_charge r
                                         WHERE r.account_id = c.account_id AND r.token = c.reference AND r.outcome = 'refund'), 0)
ON CONFLICT (account_id, idempotency_key) DO NOTHING

-- name: cancel
-- A charge that waits for its holder can't succeed any more.
UPDATE simulated_charge SET outcome = 'declined', decline_code = 'canceled'
WHERE account_id = %(account_id)s AND reference = %(reference)s AND outcome = 'action_required'
