-- name: is_issued
-- Whether any of these causes has its invoice; asked before anything is locked, so that a repetition costs a look at an index.
SELECT EXISTS (SELECT FROM unnest(%(account_ids)b::uuid[], %(kinds)b::text[], %(causes)b::text[]) AS wanted (account_id, kind, cause)
               JOIN invoice USING (account_id, kind, cause))

-- name: draw_numbers
-- A block of numbers of a series, of which the last is answered; the row stays locked until the transaction ends, so numbers are dense and unique even when others roll back.
INSERT INTO number_series (seller, series, last_number)
VALUES (%(seller_code)s, %(series)s, %(count)s)
ON CONFLICT (seller, series) DO UPDATE SET last_number = number_series.last_number + %(count)s
RETURNING last_number

-- name: insert_lines
-- All lines of all invoices in one statement, before these have numbers; a cause that was billed breaks its unique key.
INSERT INTO invoice_line (account_id, invoice_id, position, description, detail, quantity, unit_price, amount, revenue_code,
                          subscription_id, tax_code, tax_category, tax_rate, tax_label, tax, service_from, service_until, cause)
SELECT account_id, invoice_id, position, description, detail, quantity, unit_price, amount, revenue_code,
       subscription_id, tax_code, tax_category, tax_rate, tax_label, tax, service_from, service_until, cause
FROM json_to_recordset(%(lines)s::json)
     AS l (account_id uuid, invoice_id uuid, position smallint, description text, detail text, quantity numeric,
           unit_price numeric, amount numeric, revenue_code text, subscription_id uuid, tax_code text, tax_category text,
           tax_rate numeric, tax_label text, tax numeric, service_from date, service_until date, cause text)

-- name: insert_invoices
-- Invoices with what is owed on each at birth, from the same rows, so that the two can't differ; a cause that has its invoice breaks its unique key.
WITH papers AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset(%(invoices)s::json)
         AS i (account_id uuid, id uuid, number text, seller_code text, series text, sequence bigint, kind text, cause text,
               currency text, subtotal numeric, tax numeric, total numeric, issued_on date, due_on date, grace_until_on date,
               period_start_on date, period_end_on date, buyer jsonb, po_number text, payment_note text, notes text,
               tax_note text, recipients jsonb, issued_by text)
), inserted AS (
    INSERT INTO invoice (account_id, id, number, seller_code, series, sequence, kind, cause, currency, subtotal, tax, total,
                         issued_on, issued_at, due_on, grace_until_on, period_start_on, period_end_on, seller, buyer,
                         po_number, payment_note, notes, tax_note, recipients, issued_by)
    SELECT account_id, id, number, seller_code, series, sequence, kind, cause, currency, subtotal, tax, total,
           issued_on, clock_timestamp(), due_on, grace_until_on, period_start_on, period_end_on, sellers.printed, buyer,
           po_number, payment_note, notes, tax_note, recipients, issued_by
    FROM papers
    JOIN json_to_recordset(%(sellers)s::json) AS sellers (code text, printed jsonb) ON sellers.code = papers.seller_code
)
INSERT INTO open_balance (account_id, invoice_id, balance, number, sequence, total, issued_on, due_on, grace_until_on)
SELECT account_id, id, total, number, sequence, total, issued_on, due_on, grace_until_on
FROM papers
