-- name: record
-- A payment, once per charge of a gateway: of two that tell of the same charge, the second waits for the first and inserts nothing.
INSERT INTO payment (account_id, id, gateway, charge_reference, currency, amount, received_at, method_label, recorded_by)
VALUES (%(account_id)s, %(id)s, %(gateway)s, %(charge_reference)s, %(currency)s, %(amount)s, clock_timestamp(),
        %(method_label)s, %(recorded_by)s)
ON CONFLICT (account_id, gateway, charge_reference) DO NOTHING
