-- name: is_issued
-- Whether this cause has its invoice; asked before anything is locked, so that a repetition costs one look at an index.
SELECT EXISTS (SELECT FROM invoice WHERE account_id = %(account_id)s AND kind = %(kind)s AND cause = %(cause)s)

-- name: draw_number
-- The next number of a series; the row stays locked until the transaction ends, so numbers are dense and unique even when others roll back.
INSERT INTO number_series (seller, series, last_number)
VALUES (%(seller_code)s, %(series)s, 1)
ON CONFLICT (seller, series) DO UPDATE SET last_number = number_series.last_number + 1
RETURNING last_number

-- name: insert_invoice
-- One issued invoice; a cause that has its invoice inserts nothing, and the caller must roll its number back.
INSERT INTO invoice (account_id, id, number, seller_code, series, sequence, kind, cause, currency, subtotal, tax, total,
                     issued_on, issued_at, due_on, grace_until_on, period_start_on, period_end_on, seller, buyer,
                     po_number, payment_note, issued_by)
VALUES (%(account_id)s, %(id)s, %(number)s, %(seller_code)s, %(series)s, %(sequence)s, %(kind)s, %(cause)s, %(currency)s,
        %(total)s, 0, %(total)s, %(issued_on)s, clock_timestamp(), %(due_on)s, %(grace_until_on)s, %(period_start_on)s,
        %(period_end_on)s, %(seller)s::jsonb, %(buyer)s::jsonb, %(po_number)s, %(payment_note)s, %(issued_by)s)
ON CONFLICT (account_id, kind, cause) DO NOTHING
RETURNING issued_at

-- name: insert_lines
-- All lines of the invoice in one statement.
INSERT INTO invoice_line (account_id, invoice_id, position, description, detail, quantity, unit_price, amount,
                          revenue_code, subscription_id)
SELECT %(account_id)s, %(id)s, line.position, line.description, line.detail, line.quantity, line.unit_price, line.amount,
       line.revenue_code, line.subscription_id
FROM unnest(%(descriptions)s::text[], %(details)s::text[], %(quantities)s::numeric[], %(unit_prices)s::numeric[],
            %(amounts)s::numeric[], %(revenue_codes)s::text[], %(subscription_ids)s::uuid[]) WITH ORDINALITY
     AS line (description, detail, quantity, unit_price, amount, revenue_code, subscription_id, position)

-- name: open_balance
-- What is owed at birth, with copies of the invoice's own facts, read from the invoice itself so that they cannot differ.
INSERT INTO open_balance (account_id, invoice_id, balance, number, sequence, total, issued_on, due_on, grace_until_on)
SELECT account_id, id, total, number, sequence, total, issued_on, due_on, grace_until_on
FROM invoice
WHERE account_id = %(account_id)s AND id = %(id)s
