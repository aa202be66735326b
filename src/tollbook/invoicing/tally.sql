-- name: count
-- Moves invoices from the cells of Invoice History's counts that they were in to those they are in now, from the rows as they are now; one that was nowhere is only added. Cells in order of their keys, so that two who wait for one another can't meet. LIMIT keeps it one look-up for each invoice, whatever was known of the table when this was planned.
WITH moved AS MATERIALIZED (
    SELECT open.account_id, issued_on, sequence / 1000 AS block, rtrim(number, '0123456789') AS prefix, size, part.*,
           CASE WHEN part.is_open THEN due_on ELSE issued_on END AS due_on,
           CASE WHEN part.is_open THEN grace_until_on ELSE issued_on END AS grace_until_on
    FROM json_to_recordset(%(changes)s::json) AS change (account_id uuid, invoice_id uuid, before numeric)
    CROSS JOIN LATERAL (SELECT * FROM open_balance WHERE open_balance.account_id = change.account_id
                        AND open_balance.invoice_id = change.invoice_id LIMIT 1) AS open
    CROSS JOIN LATERAL (VALUES (before > 0, -1, -before), (open.balance > 0, 1, open.balance)) AS part (is_open, count, balance)
    WHERE part.is_open IS NOT NULL
), sizes AS (
    INSERT INTO history_size (account_id, size, month_on, is_open, count)
    SELECT account_id, size, date_trunc('month', issued_on::timestamp)::date, is_open, sum(count)
    FROM moved GROUP BY 1, 2, 3, 4 HAVING sum(count) <> 0 ORDER BY 1, 2, 3, 4
    ON CONFLICT (account_id, size, month_on, is_open) DO UPDATE SET count = history_size.count + excluded.count
)
INSERT INTO history_day (account_id, issued_on, block, prefix, is_open, due_on, grace_until_on, count, balance)
SELECT account_id, issued_on, block, prefix, is_open, due_on, grace_until_on, sum(count), sum(balance)
FROM moved GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT (account_id, issued_on, block, prefix, is_open, due_on, grace_until_on)
DO UPDATE SET count = history_day.count + excluded.count, balance = history_day.balance + excluded.balance
