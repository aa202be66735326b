-- name: every_transfer_sums_to_zero
-- Double entry: the entries of a transfer are at least two and sum to zero in each currency.
SELECT 'transfer ' || t.id, format('%%s entries that sum to %%s', count(e.amount), coalesce(sum(e.amount), 0))
FROM transfer t LEFT JOIN entry e ON e.account_id = t.account_id AND e.transfer_id = t.id
WHERE t.account_id = %(account_id)s
GROUP BY t.id, e.currency
HAVING count(e.amount) < 2 OR sum(e.amount) <> 0
ORDER BY t.id LIMIT 1

-- name: wallets_equal_their_entries
-- A wallet is a liability: what it holds as paid and as granted is minus the sum of its entries.
SELECT 'wallet ' || w.type_code, format('holds %%s paid and %%s granted; its entries say %%s and %%s', w.paid, w.granted,
       -coalesce(sum(e.amount) FILTER (WHERE e.code = 'wallet:' || w.type_code || ':paid'), 0),
       -coalesce(sum(e.amount) FILTER (WHERE e.code = 'wallet:' || w.type_code || ':granted'), 0))
FROM wallet w LEFT JOIN entry e ON e.account_id = w.account_id
     AND e.code IN ('wallet:' || w.type_code || ':paid', 'wallet:' || w.type_code || ':granted')
WHERE w.account_id = %(account_id)s
GROUP BY w.id, w.type_code, w.paid, w.granted
HAVING w.paid <> -coalesce(sum(e.amount) FILTER (WHERE e.code = 'wallet:' || w.type_code || ':paid'), 0)
    OR w.granted <> -coalesce(sum(e.amount) FILTER (WHERE e.code = 'wallet:' || w.type_code || ':granted'), 0)
ORDER BY w.id LIMIT 1

-- name: held_equals_open_holds
-- What a wallet has held is the sum of its open holds' items, and what the last move of held money left.
SELECT 'wallet ' || w.type_code, format('has %%s held; its open holds sum to %%s, its last move left %%s', w.held, o.amount, m.held_after)
FROM wallet w
CROSS JOIN LATERAL (
    SELECT coalesce(sum(i.amount), 0) AS amount
    FROM hold h JOIN hold_item i ON i.account_id = h.account_id AND i.hold_id = h.id
    WHERE h.account_id = w.account_id AND h.state = 'open' AND i.wallet_id = w.id) o
CROSS JOIN LATERAL (
    SELECT coalesce(sum(v.amount), 0) AS held_after
    FROM hold_move v WHERE v.account_id = w.account_id AND v.wallet_id = w.id) m
WHERE w.account_id = %(account_id)s AND (w.held <> o.amount OR w.held <> m.held_after)
ORDER BY w.id LIMIT 1

-- name: every_held_item_has_its_wallet
-- Items of holds and moves of held money name a hold and a wallet of the account; no foreign key says so at every row.
SELECT 'hold ' || r.hold_id, format('%%s names wallet %%s; %%s', r.what, r.wallet_id,
       CASE WHEN h.id IS NULL THEN 'there is no such hold' ELSE 'there is no such wallet' END)
FROM (SELECT 'an item' AS what, hold_id, wallet_id FROM hold_item WHERE account_id = %(account_id)s
      UNION ALL
      SELECT 'a move', hold_id, wallet_id FROM hold_move WHERE account_id = %(account_id)s) r
LEFT JOIN hold h ON h.account_id = %(account_id)s AND h.id = r.hold_id
LEFT JOIN wallet w ON w.account_id = %(account_id)s AND w.id = r.wallet_id
WHERE h.id IS NULL OR w.id IS NULL
ORDER BY r.hold_id LIMIT 1

-- name: usage_transfers_equal_their_events
-- A usage transfer debits exactly what its events cost, and counts them; one that gives usage back, likewise. With an archive, `archived` proves it, from both places.
SELECT 'transfer ' || t.id, format('debits %%s for %%s events; its events are %%s and cost %%s', t.balance_before - t.balance_after,
       t.detail_count, count(u.event_id), coalesce(sum(u.cost), 0))
FROM transfer t LEFT JOIN usage_event u ON u.account_id = t.account_id AND u.transfer_id = t.id
WHERE t.account_id = %(account_id)s AND t.kind IN ('usage', 'reversal')
  AND NOT EXISTS (SELECT FROM usage_archive WHERE account_id = %(account_id)s)
GROUP BY t.account_id, t.id, t.balance_before, t.balance_after, t.detail_count
HAVING t.balance_before - t.balance_after <> coalesce(sum(u.cost), 0) OR t.detail_count <> count(u.event_id)
ORDER BY t.id LIMIT 1

-- name: every_costly_event_is_debited
-- An event that costs something is part of a usage transfer in the books; events without one cost nothing.
SELECT 'event ' || u.event_id, format('costs %%s; transfer %%s is not in the books', u.cost, u.transfer_id)
FROM usage_event u LEFT JOIN transfer t ON t.account_id = u.account_id AND t.id = u.transfer_id
                        AND t.kind = CASE WHEN u.quantity < 0 THEN 'reversal' ELSE 'usage' END
WHERE u.account_id = %(account_id)s AND u.cost <> 0 AND t.id IS NULL
ORDER BY u.event_id LIMIT 1

-- name: every_entry_belongs_to_a_transfer
-- Entries name a transfer in the books and an account of the books that was opened; no foreign key says so at every row.
SELECT 'entry of transfer ' || e.transfer_id, format('number %%s, %%s: %%s', e.position, e.code,
       CASE WHEN t.id IS NULL THEN 'there is no such transfer' ELSE 'there is no such account of the books' END)
FROM entry e
LEFT JOIN transfer t ON t.account_id = e.account_id AND t.id = e.transfer_id
LEFT JOIN ledger_account l ON l.account_id = e.account_id AND l.code = e.code
WHERE e.account_id = %(account_id)s AND (t.id IS NULL OR l.code IS NULL)
ORDER BY e.transfer_id, e.position LIMIT 1

-- name: every_moved_wallet_is_there
-- Transfers that move a wallet name one of the account's.
SELECT 'transfer ' || t.id, format('moves wallet %%s, which the account does not have', t.wallet_id)
FROM transfer t LEFT JOIN wallet w ON w.account_id = t.account_id AND w.id = t.wallet_id
WHERE t.account_id = %(account_id)s AND t.wallet_id IS NOT NULL AND w.id IS NULL
ORDER BY t.id LIMIT 1

-- name: every_event_follows_its_rate
-- An event names a rate of its type that had begun when it occurred (a rate may be ended for the past later), its own account's or the operator's.
SELECT 'event ' || u.event_id, format('says rate %%s; that rate is for %%s from %%s', u.rate_id, r.type_code, r.valid_from)
FROM usage_event u
LEFT JOIN rate r ON r.id = u.rate_id AND r.account_id IN (u.account_id, '00000000-0000-0000-0000-000000000000')
WHERE u.account_id = %(account_id)s AND (r.id IS NULL OR r.type_code <> u.type_code OR u.occurred_at < r.valid_from)
ORDER BY u.event_id LIMIT 1

-- name: every_cost_can_be_recomputed
-- An event is billed and costs what its rate says: whole steps of time, a connect fee, a minimum, rounded once, half away from zero; nothing costs nothing.
SELECT 'event ' || u.event_id, format('%%s billed as %%s for %%s; its rate of %%s cents and a fee of %%s say otherwise', u.quantity,
       u.billed_quantity, u.cost, r.rate_cents, r.connect_fee)
FROM usage_event u
JOIN rate r ON r.id = u.rate_id AND r.account_id IN (u.account_id, '00000000-0000-0000-0000-000000000000')
JOIN credit_type c ON c.code = u.type_code
CROSS JOIN LATERAL (
    SELECT CASE WHEN u.quantity = 0 THEN 0
                WHEN c.unit <> 'seconds' THEN u.quantity
                WHEN u.quantity <= r.initial_seconds THEN r.initial_seconds
                ELSE r.initial_seconds + ceil((u.quantity - r.initial_seconds) / r.increment_seconds) * r.increment_seconds
           END AS quantity
) billed
WHERE u.account_id = %(account_id)s AND u.quantity >= 0
  AND (u.billed_quantity <> billed.quantity
       OR u.cost <> CASE WHEN u.quantity = 0 THEN 0
                         ELSE greatest(r.minimum_charge, round(r.connect_fee + u.billed_quantity * r.rate_cents
                                       / CASE c.unit WHEN 'seconds' THEN 6000 ELSE 100 END, 6)) END)
ORDER BY u.event_id LIMIT 1

-- name: every_reversal_has_an_original
-- What has a negative quantity takes back one event of its type, at a place of its own, and an event has no more taken back than it had.
SELECT 'event ' || coalesce(u.event_id, v.event_id), format('has quantity %%s; reverses %%s of type %%s, of which %%s is left', u.quantity,
       v.reverses_id, o.type_code, l.quantity)
FROM (SELECT * FROM usage_event WHERE account_id = %(account_id)s AND quantity < 0) u
FULL JOIN (SELECT * FROM usage_reversal WHERE account_id = %(account_id)s) v ON v.event_id = u.event_id
LEFT JOIN usage_event o ON o.account_id = %(account_id)s AND o.event_id = v.reverses_id
LEFT JOIN LATERAL (
    SELECT o.quantity + sum(e.quantity) AS quantity, count(*) = max(w.place) AS is_dense
    FROM usage_reversal w JOIN usage_event e ON e.account_id = w.account_id AND e.event_id = w.event_id
    WHERE w.account_id = %(account_id)s AND w.reverses_id = v.reverses_id) l ON true
WHERE NOT EXISTS (SELECT FROM usage_archived z WHERE z.account_id = %(account_id)s AND z.event_id IN (v.event_id, v.reverses_id))
  AND (u.event_id IS NULL OR v.event_id IS NULL OR o.quantity IS NULL OR o.quantity < 0 OR o.type_code <> u.type_code
       OR o.rate_id <> u.rate_id OR u.occurred_at < o.occurred_at OR l.quantity < 0)
ORDER BY 1 LIMIT 1

-- name: what_is_left_can_be_recomputed
-- An event and its reversals together are billed and cost what the quantity that is left would be and cost at the event's rate.
SELECT 'event ' || n.event_id, format('with its reversals is %%s billed as %%s for %%s; its rate says otherwise', n.quantity, n.billed, n.cost)
FROM (
    SELECT o.event_id, o.rate_id, o.type_code, o.quantity + sum(e.quantity) AS quantity,
           o.billed_quantity + sum(e.billed_quantity) AS billed, o.cost + sum(e.cost) AS cost
    FROM usage_reversal v
    JOIN usage_event o ON o.account_id = v.account_id AND o.event_id = v.reverses_id
    JOIN usage_event e ON e.account_id = v.account_id AND e.event_id = v.event_id
    WHERE v.account_id = %(account_id)s
      AND NOT EXISTS (SELECT FROM usage_reversal w JOIN usage_archived z ON z.account_id = w.account_id AND z.event_id = w.event_id
                      WHERE w.account_id = v.account_id AND w.reverses_id = v.reverses_id)
    GROUP BY o.account_id, o.event_id, o.rate_id, o.type_code, o.quantity, o.billed_quantity, o.cost) n
JOIN rate r ON r.id = n.rate_id AND r.account_id IN (%(account_id)s, '00000000-0000-0000-0000-000000000000')
JOIN credit_type c ON c.code = n.type_code
CROSS JOIN LATERAL (
    SELECT CASE WHEN n.quantity = 0 THEN 0
                WHEN c.unit <> 'seconds' THEN n.quantity
                WHEN n.quantity <= r.initial_seconds THEN r.initial_seconds
                ELSE r.initial_seconds + ceil((n.quantity - r.initial_seconds) / r.increment_seconds) * r.increment_seconds
           END AS quantity
) billed
WHERE n.billed <> billed.quantity
   OR n.cost <> CASE WHEN n.quantity = 0 THEN 0
                     ELSE greatest(r.minimum_charge, round(r.connect_fee + n.billed * r.rate_cents
                                   / CASE c.unit WHEN 'seconds' THEN 6000 ELSE 100 END, 6)) END
ORDER BY n.event_id LIMIT 1

-- name: every_shared_value_is_kept
-- Events name a campaign and an agent by numbers that their account has for such values, or none.
SELECT 'event ' || u.event_id, format('names campaign %%s and agent %%s; not both are kept', u.campaign_id, u.agent_id)
FROM usage_event u
LEFT JOIN attribute_value c ON c.account_id = u.account_id AND c.id = u.campaign_id AND c.name = 'campaign'
LEFT JOIN attribute_value a ON a.account_id = u.account_id AND a.id = u.agent_id AND a.name = 'agent'
WHERE u.account_id = %(account_id)s AND (u.campaign_id <> 0 AND c.id IS NULL OR u.agent_id <> 0 AND a.id IS NULL)
ORDER BY u.event_id LIMIT 1

-- name: wallet_moves_equal_their_entries
-- What a transfer says it moved in its wallet is what its entries moved.
SELECT 'transfer ' || t.id, format('moves %%s; its entries say %%s', t.balance_after - t.balance_before, -coalesce(sum(e.amount), 0))
FROM transfer t LEFT JOIN entry e ON e.account_id = t.account_id AND e.transfer_id = t.id AND e.code LIKE 'wallet:%%'
WHERE t.account_id = %(account_id)s AND t.wallet_id IS NOT NULL
GROUP BY t.id, t.balance_after, t.balance_before
HAVING t.balance_after - t.balance_before <> -coalesce(sum(e.amount), 0)
ORDER BY t.id LIMIT 1

-- name: sums_equal_events
-- The roll-up by quarter of an hour is what its events add up to. Months of which some is archived are proven by `archived`.
SELECT 'usage sum ' || coalesce(s.type_code, e.type_code) || ' ' || coalesce(s.quarter_at, e.quarter_at),
       format('says %%s events and %%s; the events are %%s and %%s', s.events, s.cost, e.events, e.cost)
FROM (SELECT * FROM usage_sum WHERE account_id = %(account_id)s) s
FULL JOIN (
    SELECT type_code, date_bin('15 minutes', occurred_at, 'epoch'::timestamptz) AS quarter_at, count(*) AS events,
           sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity, sum(cost) AS cost
    FROM usage_event WHERE account_id = %(account_id)s GROUP BY 1, 2) e
  ON e.type_code = s.type_code AND e.quarter_at = s.quarter_at
WHERE (s.events, s.quantity, s.billed_quantity, s.cost) IS DISTINCT FROM (e.events, e.quantity, e.billed_quantity, e.cost)
  AND NOT EXISTS (SELECT FROM usage_archive a WHERE a.account_id = %(account_id)s
                  AND a.month_on = date_trunc('month', coalesce(s.quarter_at, e.quarter_at) AT TIME ZONE 'UTC')::date)
ORDER BY 1 LIMIT 1

-- name: sums_by_attribute_equal_events
-- What was folded by campaign, agent and country is what the events that wait no longer add up to, hour by hour and value by value (countries together, because which number is whose may be learnt anew); archived months are proven by their files.
WITH done AS (
    SELECT u.type_code, date_bin('1 hour', u.occurred_at, 'epoch'::timestamptz) AS hour_at, c.value AS campaign, a.value AS agent,
           u.cost, u.quantity, u.billed_quantity
    FROM usage_event u
    LEFT JOIN attribute_value c ON c.account_id = u.account_id AND c.id = u.campaign_id
    LEFT JOIN attribute_value a ON a.account_id = u.account_id AND a.id = u.agent_id
    WHERE u.account_id = %(account_id)s
      AND NOT EXISTS (SELECT FROM usage_backlog b WHERE b.account_id = u.account_id AND b.transfer_id = u.transfer_id)
), events AS (
    SELECT type_code, hour_at, CASE WHEN GROUPING(campaign) = 0 THEN 'campaign' WHEN GROUPING(agent) = 0 THEN 'agent' ELSE 'country' END
           AS attribute, coalesce(campaign, agent, '') AS value,
           count(*) AS events, sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity, sum(cost) AS cost
    FROM done
    GROUP BY GROUPING SETS ((type_code, hour_at, campaign), (type_code, hour_at, agent), (type_code, hour_at))
), folded AS (
    SELECT type_code, date_bin('1 hour', begins_at, 'epoch'::timestamptz) AS hour_at, attribute,
           CASE attribute WHEN 'country' THEN '' ELSE value END AS value,
           sum(events) AS events, sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity, sum(cost) AS cost
    FROM usage_by_attribute WHERE account_id = %(account_id)s
    GROUP BY 1, 2, 3, 4
)
SELECT 'usage by ' || coalesce(f.attribute, e.attribute) || ' ' || coalesce(f.type_code, e.type_code) || ' '
       || coalesce(f.hour_at, e.hour_at) || ' ' || coalesce(f.value, e.value),
       format('says %%s events and %%s; the events are %%s and %%s', f.events, f.cost, e.events, e.cost)
FROM folded f
FULL JOIN events e ON e.type_code = f.type_code AND e.hour_at = f.hour_at AND e.attribute = f.attribute AND e.value = f.value
WHERE (f.events, f.quantity, f.billed_quantity, f.cost) IS DISTINCT FROM (e.events, e.quantity, e.billed_quantity, e.cost)
  AND NOT EXISTS (SELECT FROM usage_archive z WHERE z.account_id = %(account_id)s
                  AND z.month_on = date_trunc('month', coalesce(f.hour_at, e.hour_at) AT TIME ZONE 'UTC')::date)
ORDER BY 1 LIMIT 1

-- name: invoice_lines_equal_their_total
-- The printed lines sum to the printed subtotal and tax, and these to the total.
SELECT 'invoice ' || i.number, format('lines %%s and their tax %%s; subtotal %%s, tax %%s, total %%s', coalesce(sum(l.amount), 0),
       coalesce(sum(l.tax), 0), i.subtotal, i.tax, i.total)
FROM invoice i LEFT JOIN invoice_line l ON l.account_id = i.account_id AND l.invoice_id = i.id
WHERE i.account_id = %(account_id)s
GROUP BY i.id, i.number, i.subtotal, i.tax, i.total
HAVING coalesce(sum(l.amount), 0) <> i.subtotal OR coalesce(sum(l.tax), 0) <> i.tax OR i.subtotal + i.tax <> i.total
ORDER BY i.number LIMIT 1

-- name: every_line_belongs_to_an_invoice
-- Lines name an invoice of their account and count 1, 2, 3 ... on it; no foreign key says so at every row.
SELECT 'line ' || max(l.position) || ' of invoice ' || coalesce(i.number, l.invoice_id::text), CASE WHEN i.id IS NULL THEN 'there is no such invoice'
       ELSE format('%%s lines from %%s to %%s', count(*), min(l.position), max(l.position)) END
FROM invoice_line l LEFT JOIN invoice i ON i.account_id = l.account_id AND i.id = l.invoice_id
WHERE l.account_id = %(account_id)s
GROUP BY l.invoice_id, i.id, i.number
HAVING i.id IS NULL OR min(l.position) <> 1 OR max(l.position) <> count(*)
ORDER BY l.invoice_id LIMIT 1

-- name: tax_is_its_rate_of_what_it_is_on
-- The tax of each rate of an invoice is that rate of what it is on, to a minor unit (prices that include tax round once more).
SELECT 'invoice ' || i.number, format('%%s %%%% on %%s is %%s', trim_scale(l.tax_rate), l.net, l.tax)
FROM invoice i
CROSS JOIN LATERAL (SELECT tax_category, tax_rate, sum(amount) AS net, sum(tax) AS tax FROM invoice_line
                    WHERE account_id = i.account_id AND invoice_id = i.id GROUP BY tax_category, tax_rate, tax_label) l
WHERE i.account_id = %(account_id)s
  AND abs(l.net * l.tax_rate / 100 - l.tax) > CASE WHEN l.tax_rate = 0 THEN 0
                                                   WHEN i.currency IN ('JPY', 'KRW', 'CLP', 'VND', 'ISK') THEN 1
                                                   WHEN i.currency IN ('KWD', 'BHD', 'OMR', 'JOD', 'TND') THEN 0.001 ELSE 0.01 END
ORDER BY i.number LIMIT 1

-- name: open_balances_equal_settlements
-- What is open on an invoice is its total less what was paid, credited and written off.
SELECT 'invoice ' || i.number, format('open %%s; total %%s less settled %%s and reduced by %%s', o.balance, i.total, s.total, r.total)
FROM invoice i
LEFT JOIN open_balance o ON o.account_id = i.account_id AND o.invoice_id = i.id
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM settlement WHERE account_id = i.account_id AND invoice_id = i.id) s
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM reduction WHERE account_id = i.account_id AND invoice_id = i.id) r
WHERE i.account_id = %(account_id)s AND o.balance IS DISTINCT FROM i.total - s.total - r.total
ORDER BY i.number LIMIT 1

-- name: documents_are_in_the_books
-- Each invoice (but those of refills, which their credit posts) and credit note is in the books once, with its total and its tax.
SELECT d.name, format('total %%s, tax %%s; the books say %%s and %%s', d.total, d.tax, coalesce(e.total, 0), coalesce(e.tax, 0))
FROM (SELECT 'invoice ' || number AS name, 'invoice' AS kind, id, total, tax FROM invoice
      WHERE account_id = %(account_id)s AND kind <> 'refill'
      UNION ALL
      SELECT 'credit note ' || number, 'credit_note', id, -total, -tax FROM credit_note WHERE account_id = %(account_id)s) d
LEFT JOIN transfer t ON t.account_id = %(account_id)s AND t.kind = d.kind AND t.reference = d.id::text
CROSS JOIN LATERAL (SELECT sum(amount) FILTER (WHERE code = 'receivable') AS total, -sum(amount) FILTER (WHERE code = 'tax') AS tax
                    FROM entry WHERE account_id = %(account_id)s AND transfer_id = t.id) e
WHERE coalesce(e.total, 0) <> d.total OR coalesce(e.tax, 0) <> d.tax
ORDER BY d.name LIMIT 1

-- name: credit_note_lines_equal_their_total
-- The printed lines of a credit note sum to its subtotal and tax, and these to its total.
SELECT 'credit note ' || c.number, format('lines %%s and their tax %%s; subtotal %%s, tax %%s, total %%s', coalesce(sum(l.amount), 0),
       coalesce(sum(l.tax), 0), c.subtotal, c.tax, c.total)
FROM credit_note c LEFT JOIN credit_note_line l ON l.account_id = c.account_id AND l.credit_note_id = c.id
WHERE c.account_id = %(account_id)s
GROUP BY c.id, c.number, c.subtotal, c.tax, c.total
HAVING coalesce(sum(l.amount), 0) <> c.subtotal OR coalesce(sum(l.tax), 0) <> c.tax OR c.subtotal + c.tax <> c.total
ORDER BY c.number LIMIT 1

-- name: no_more_is_credited_than_was_billed
-- Of each line no more is credited than it came to, nor of its tax, with its rate, and to the account of the books that it was billed to.
SELECT 'line ' || c.invoice_position || ' of invoice ' || coalesce(i.number, c.invoice_id::text),
       format('billed %%s and tax %%s at %%s; credited %%s and %%s at %%s', l.amount, l.tax, l.tax_rate, c.net, c.tax, c.rate)
FROM (SELECT invoice_id, invoice_position, sum(amount) AS net, sum(tax) AS tax, max(tax_rate) AS rate, min(tax_rate) AS lowest,
             min(revenue_code) AS code, max(revenue_code) AS other
      FROM credit_note_line WHERE account_id = %(account_id)s GROUP BY 1, 2) c
LEFT JOIN invoice i ON i.account_id = %(account_id)s AND i.id = c.invoice_id
LEFT JOIN invoice_line l ON l.account_id = %(account_id)s AND l.invoice_id = c.invoice_id AND l.position = c.invoice_position
WHERE l.position IS NULL OR c.rate <> l.tax_rate OR c.lowest <> l.tax_rate OR c.code <> l.revenue_code OR c.other <> l.revenue_code
   OR c.net NOT BETWEEN least(l.amount, 0) AND greatest(l.amount, 0) OR c.tax NOT BETWEEN least(l.tax, 0) AND greatest(l.tax, 0)
ORDER BY 1 LIMIT 1

-- name: credit_notes_reduce_their_invoices
-- Each credit note took its total off the invoice it names, once, and nothing else was taken off as credited.
SELECT CASE WHEN c.id IS NULL THEN 'reduction ' || r.id ELSE 'credit note ' || c.number END,
       format('credits %%s of invoice %%s; took off %%s of %%s', c.total, c.invoice_id, r.amount, r.invoice_id)
FROM (SELECT * FROM credit_note WHERE account_id = %(account_id)s) c
FULL JOIN (SELECT * FROM reduction WHERE account_id = %(account_id)s AND kind = 'credit_note') r ON r.credit_note_id = c.id
LEFT JOIN invoice i ON i.account_id = %(account_id)s AND i.id = c.invoice_id
WHERE (c.total, c.invoice_id, c.invoice_number) IS DISTINCT FROM (r.amount, r.invoice_id, i.number)
ORDER BY 1 LIMIT 1

-- name: write_offs_are_in_the_books
-- What the books say is bad debt is what was written off and not taken back, and no invoice has less than nothing written off.
SELECT coalesce('invoice ' || i.number, 'ledger account bad_debt'), format('written off %%s; the books say %%s in all', w.total, b.total)
FROM (SELECT coalesce(sum(amount), 0) AS total FROM entry WHERE account_id = %(account_id)s AND code = 'bad_debt') b
CROSS JOIN (SELECT invoice_id, sum(amount) AS total FROM reduction WHERE account_id = %(account_id)s AND kind = 'write_off'
            GROUP BY ROLLUP (invoice_id)) w
LEFT JOIN invoice i ON i.account_id = %(account_id)s AND i.id = w.invoice_id
WHERE w.invoice_id IS NULL AND coalesce(w.total, 0) <> b.total OR w.invoice_id IS NOT NULL AND w.total < 0
ORDER BY 1 LIMIT 1

-- name: written_off_is_what_was_given_up
-- What an open balance says is written off, by which people see a status other than Paid, is what was written off and not taken back.
SELECT 'invoice ' || o.number, format('says that %%s is written off; what was written off comes to %%s', o.written_off, r.total)
FROM open_balance o
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM reduction
                    WHERE account_id = o.account_id AND invoice_id = o.invoice_id AND kind = 'write_off') r
WHERE o.account_id = %(account_id)s AND o.written_off <> r.total
ORDER BY o.number LIMIT 1

-- name: open_balances_copy_their_invoices
-- What an open balance repeats for Invoice History's sake is what the invoice says.
SELECT 'invoice ' || i.number, format('invoice %%s; open balance %%s', i.facts, o.facts)
FROM (SELECT id, number, ROW (number, sequence, total, issued_on, due_on, grace_until_on) AS facts
      FROM invoice WHERE account_id = %(account_id)s) i
JOIN (SELECT invoice_id, ROW (number, sequence, total, issued_on, due_on, grace_until_on) AS facts
      FROM open_balance WHERE account_id = %(account_id)s) o ON o.invoice_id = i.id
WHERE o.facts IS DISTINCT FROM i.facts
ORDER BY i.number LIMIT 1

-- name: history_is_counted_by_day
-- What Invoice History says there is, by day, numbers and what decides about the status, is what there is.
SELECT format('%%s invoices of %%s', CASE WHEN is_open THEN 'open' ELSE 'paid' END, issued_on),
       format('counted %%s, owing %%s; there are %%s, owing %%s', coalesce(c.count, 0), coalesce(c.balance, 0), coalesce(r.count, 0), coalesce(r.balance, 0))
FROM (SELECT issued_on, block, prefix, is_open, due_on, grace_until_on, count, balance FROM history_day WHERE account_id = %(account_id)s) c
FULL JOIN (SELECT issued_on, sequence / 1000 AS block, rtrim(number, '0123456789') AS prefix, balance > 0 AS is_open,
                  CASE WHEN balance > 0 THEN due_on ELSE issued_on END AS due_on,
                  CASE WHEN balance > 0 THEN grace_until_on ELSE issued_on END AS grace_until_on, count(*) AS count, sum(balance) AS balance
           FROM open_balance WHERE account_id = %(account_id)s GROUP BY 1, 2, 3, 4, 5, 6) r
  USING (issued_on, block, prefix, is_open, due_on, grace_until_on)
WHERE coalesce(c.count, 0) <> coalesce(r.count, 0) OR coalesce(c.balance, 0) <> coalesce(r.balance, 0)
ORDER BY issued_on, is_open, block LIMIT 1

-- name: history_is_counted_by_amount
-- What Invoice History says there is of about an amount is what there is.
SELECT format('%%s invoices of %%s', CASE WHEN is_open THEN 'open' ELSE 'paid' END, to_char(month_on, 'YYYY-MM')),
       format('of size %%s counted %%s; there are %%s', size, coalesce(c.count, 0), coalesce(r.count, 0))
FROM (SELECT size, month_on, is_open, count FROM history_size WHERE account_id = %(account_id)s) c
FULL JOIN (SELECT size, date_trunc('month', issued_on::timestamp)::date AS month_on, balance > 0 AS is_open, count(*) AS count
           FROM open_balance WHERE account_id = %(account_id)s GROUP BY 1, 2, 3) r USING (size, month_on, is_open)
WHERE coalesce(c.count, 0) <> coalesce(r.count, 0)
ORDER BY month_on, is_open, size LIMIT 1

-- name: receivable_equals_open_balances
-- What the books say customers owe is the sum of what is open on invoices.
SELECT 'ledger account receivable', format('stands at %%s; open invoices sum to %%s', r.total, o.total)
FROM (SELECT coalesce(sum(amount), 0) AS total FROM entry WHERE account_id = %(account_id)s AND code = 'receivable') r,
     (SELECT coalesce(sum(balance), 0) AS total FROM open_balance WHERE account_id = %(account_id)s) o
WHERE r.total <> o.total

-- name: clearing_returns_to_zero
-- Whatever a gateway captured was applied or became credit: clearing accounts stand at zero, but for refunds that are on their way back.
SELECT 'ledger account ' || coalesce(e.code, r.code), format('stands at %%s; refunds under way are %%s', coalesce(e.total, 0), coalesce(r.total, 0))
FROM (SELECT code, sum(amount) AS total FROM entry WHERE account_id = %(account_id)s AND code LIKE 'clearing:%%' GROUP BY code) e
FULL JOIN (SELECT 'clearing:' || p.gateway AS code, sum(f.amount) AS total
           FROM refund f JOIN payment p ON p.account_id = f.account_id AND p.id = f.payment_id
           WHERE f.account_id = %(account_id)s AND f.state IN ('decided', 'sending', 'unknown') GROUP BY 1) r ON r.code = e.code
WHERE coalesce(e.total, 0) <> -coalesce(r.total, 0)
ORDER BY 1 LIMIT 1

-- name: credit_equals_open_credits
-- What the books say is credit of the account is the sum of what is left of its payments.
SELECT 'ledger account credit', format('stands at %%s; what is left of payments sums to %%s', c.total, o.total)
FROM (SELECT coalesce(sum(amount), 0) AS total FROM entry WHERE account_id = %(account_id)s AND code = 'credit') c,
     (SELECT coalesce(sum(balance), 0) AS total FROM open_credit WHERE account_id = %(account_id)s) o
WHERE -c.total <> o.total

-- name: every_payment_is_accounted_for
-- What was captured is applied to invoices, left as credit, given back, or lost in a dispute, to the last cent.
SELECT 'payment ' || p.id, format('took %%s; applied %%s, credit %%s, given back %%s, lost in disputes %%s', p.amount, s.total, coalesce(o.balance, 0),
       f.total, d.total)
FROM payment p
LEFT JOIN open_credit o ON o.account_id = p.account_id AND o.payment_id = p.id
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM settlement
                    WHERE account_id = p.account_id AND payment_id = p.id) s
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM refund
                    WHERE account_id = p.account_id AND payment_id = p.id AND source IN ('credit', 'invoice') AND state <> 'declined') f
CROSS JOIN LATERAL (SELECT coalesce(sum(taken), 0) AS total FROM dispute WHERE account_id = p.account_id AND payment_id = p.id) d
WHERE p.account_id = %(account_id)s AND p.amount <> s.total + coalesce(o.balance, 0) + f.total + d.total
ORDER BY p.id LIMIT 1

-- name: no_more_goes_back_than_was_captured
-- Refunds of a payment, wherever they were taken from, and disputes that are open or lost come to no more than the payment.
SELECT 'payment ' || p.id, format('took %%s; refunds %%s, disputes %%s', p.amount, f.total, d.total)
FROM payment p
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM refund
                    WHERE account_id = p.account_id AND payment_id = p.id AND state <> 'declined') f
CROSS JOIN LATERAL (SELECT coalesce(sum(taken), 0) AS total FROM dispute WHERE account_id = p.account_id AND payment_id = p.id) d
WHERE p.account_id = %(account_id)s AND f.total + d.total > p.amount
ORDER BY p.id LIMIT 1

-- name: cash_equals_payments
-- What the books say a gateway has for us is what it captured less what it gave back, froze, lost and kept as fees.
SELECT 'ledger account cash:' || coalesce(e.gateway, m.gateway), format('stands at %%s; its payments, refunds and disputes come to %%s',
       coalesce(e.total, 0), coalesce(m.total, 0))
FROM (SELECT substr(code, 6) AS gateway, sum(amount) AS total FROM entry
      WHERE account_id = %(account_id)s AND code LIKE 'cash:%%' GROUP BY 1) e
FULL JOIN (
    SELECT gateway, sum(amount) AS total FROM (
        SELECT gateway, amount FROM payment WHERE account_id = %(account_id)s
        UNION ALL
        SELECT p.gateway, -f.amount FROM refund f JOIN payment p ON p.account_id = f.account_id AND p.id = f.payment_id
        WHERE f.account_id = %(account_id)s AND f.state = 'succeeded'
        UNION ALL
        SELECT gateway, -fee - CASE state WHEN 'won' THEN 0 ELSE amount END FROM dispute WHERE account_id = %(account_id)s) moved
    GROUP BY gateway) m ON m.gateway = e.gateway
WHERE coalesce(e.total, 0) <> coalesce(m.total, 0)
ORDER BY 1 LIMIT 1

-- name: frozen_equals_open_disputes
-- What the books say is frozen is what open disputes are about.
SELECT 'ledger account ' || coalesce(e.code, d.code), format('stands at %%s; open disputes are about %%s', coalesce(e.total, 0), coalesce(d.total, 0))
FROM (SELECT code, sum(amount) AS total FROM entry WHERE account_id = %(account_id)s AND code LIKE 'disputed:%%' GROUP BY code) e
FULL JOIN (SELECT 'disputed:' || gateway AS code, sum(amount) AS total FROM dispute
           WHERE account_id = %(account_id)s AND state = 'open' GROUP BY gateway) d ON d.code = e.code
WHERE coalesce(e.total, 0) <> coalesce(d.total, 0)
ORDER BY 1 LIMIT 1

-- name: payments_match_their_intents
-- A payment that was asked for and succeeded is in the books with its sum, under the charge's name; no other asked-for payment is.
SELECT 'payment intent ' || n.id, format('%%s for %%s; payment %%s', n.state, n.amount, p.amount)
FROM payment_intent n
LEFT JOIN payment p ON p.account_id = n.account_id AND p.id = n.payment_id AND p.gateway = n.gateway
     AND p.charge_reference = n.charge_reference
WHERE n.account_id = %(account_id)s
  AND CASE WHEN n.state = 'succeeded' THEN p.amount IS DISTINCT FROM n.amount ELSE n.payment_id IS NOT NULL END
ORDER BY n.id LIMIT 1

-- name: refills_match_charges_and_credits
-- A refill that succeeded has one payment of its amount, one paid invoice and one credit of its wallet; no other refill has any.
SELECT 'refill ' || r.id, format('%%s for %%s; payment %%s, invoice %%s, credit %%s', r.state, r.amount, p.amount, i.total,
       t.balance_after - t.balance_before)
FROM refill r
LEFT JOIN payment_method m ON m.account_id = r.account_id AND m.id = r.method_id
LEFT JOIN payment p ON p.account_id = r.account_id AND p.gateway = m.gateway
     AND p.charge_reference = nullif(r.charge_reference, '')
LEFT JOIN invoice i ON i.account_id = r.account_id AND i.id = r.invoice_id
LEFT JOIN transfer t ON t.account_id = r.account_id AND t.kind = 'refill' AND t.reference = r.id::text
WHERE r.account_id = %(account_id)s
  AND CASE WHEN r.state = 'succeeded'
           THEN (p.amount, i.total, t.balance_after - t.balance_before, t.wallet_id)
                IS DISTINCT FROM (r.amount, r.amount, r.amount, r.wallet_id)
           ELSE t.id IS NOT NULL OR i.id IS NOT NULL END
ORDER BY r.id LIMIT 1

-- name: simulated_charges_are_credited
-- Whatever the simulated gateway captured belongs to a payment in the books, or to a refill that is still being settled.
SELECT 'simulated charge ' || c.reference, format('captured %%s; no payment in the books', c.amount)
FROM simulated_charge c
LEFT JOIN payment p ON p.account_id = c.account_id AND p.gateway = 'simulated' AND p.charge_reference = c.reference
WHERE c.account_id = %(account_id)s AND c.outcome = 'succeeded' AND p.amount IS DISTINCT FROM c.amount
  AND NOT EXISTS (SELECT FROM refill r WHERE r.account_id = c.account_id AND r.state IN ('charging', 'unknown')
                  AND c.idempotency_key LIKE '%%' || r.id || '%%')
  AND NOT EXISTS (SELECT FROM payment_intent n WHERE n.account_id = c.account_id AND n.state IN ('charging', 'unknown', 'action_required')
                  AND c.idempotency_key LIKE '%%' || n.id || '%%')
ORDER BY c.reference LIMIT 1

-- name: lines_of_days_are_deferred
-- Lines of revenue with service days are what their invoice's deferrals were at issue, account by account and stretch by stretch.
SELECT 'invoice ' || coalesce(i.number, coalesce(l.invoice_id, d.invoice_id)::text), format('lines for %%s to %%s come to %%s on %%s, deferred was %%s',
       coalesce(l.service_from, d.service_from), coalesce(l.service_until, d.service_until), coalesce(l.total, 0), coalesce(l.code, d.code), coalesce(d.total, 0))
FROM (SELECT invoice_id, 'deferred:' || substr(revenue_code, 9) AS code, service_from, service_until, sum(amount) AS total
      FROM invoice_line WHERE account_id = %(account_id)s AND service_from IS NOT NULL AND revenue_code LIKE 'revenue:%%'
      GROUP BY 1, 2, 3, 4) l
FULL JOIN (SELECT * FROM deferral WHERE account_id = %(account_id)s) d
       ON d.invoice_id = l.invoice_id AND d.code = l.code AND d.service_from = l.service_from AND d.service_until = l.service_until
LEFT JOIN invoice i ON i.account_id = %(account_id)s AND i.id = coalesce(l.invoice_id, d.invoice_id)
WHERE coalesce(l.total, 0) <> coalesce(d.total, 0)
ORDER BY 1 LIMIT 1

-- name: deferred_equals_what_is_left
-- What the books say is deferred is what is left of every invoice's days to come.
SELECT 'ledger account ' || coalesce(e.code, d.code), format('stands at %%s; what is left of deferrals sums to %%s', coalesce(e.total, 0), coalesce(d.total, 0))
FROM (SELECT code, sum(amount) AS total FROM entry WHERE account_id = %(account_id)s AND code LIKE 'deferred:%%' GROUP BY code) e
FULL JOIN (SELECT code, sum(total - credited - recognised) AS total FROM deferral WHERE account_id = %(account_id)s GROUP BY code) d ON d.code = e.code
WHERE coalesce(e.total, 0) <> -coalesce(d.total, 0)
ORDER BY 1 LIMIT 1

-- name: deferrals_are_recognised_within_their_total
-- A deferral never earns or gives back more than it was, and waits for a day while something is left of it.
SELECT 'deferral of invoice ' || coalesce(i.number, d.invoice_id::text) || ' ' || d.code || ' ' || d.service_from,
       format('total %%s, credited %%s, recognised %%s, next day %%s', d.total, d.credited, d.recognised, d.next_on)
FROM deferral d LEFT JOIN invoice i ON i.account_id = d.account_id AND i.id = d.invoice_id
WHERE d.account_id = %(account_id)s
  AND (sign(d.total - d.credited - d.recognised) * sign(d.total) < 0 OR sign(d.credited) * sign(d.total) < 0
       OR d.next_on IS NULL AND d.total <> d.credited + d.recognised)
ORDER BY 1 LIMIT 1

-- name: numbers_are_dense
-- For the whole installation: each series counts 1, 2, 3 ... up to its counter, without a gap or a double, and each number is written as it counts.
SELECT 'series ' || coalesce(n.seller || '/' || n.series, i.seller_code || '/' || i.series), format('counter at %%s; %%s documents, %%s different numbers, from %%s to %%s; written otherwise: %%s',
       n.last_number, count(i.sequence), count(DISTINCT i.sequence), min(i.sequence), max(i.sequence),
       coalesce(min(i.number) FILTER (WHERE i.odd), 'none'))
FROM number_series n
FULL JOIN (SELECT seller_code, series, sequence, number, number <> series || '-' || lpad(sequence::text, greatest(6, length(sequence::text)), '0') AS odd
           FROM (SELECT seller_code, series, sequence, number FROM invoice
                 UNION ALL SELECT seller_code, series, sequence, number FROM credit_note) d) i
  ON i.seller_code = n.seller AND i.series = n.series
GROUP BY n.seller, n.series, n.last_number, i.seller_code, i.series
HAVING n.last_number IS NULL OR count(i.sequence) <> n.last_number OR count(DISTINCT i.sequence) <> n.last_number
    OR coalesce(min(i.sequence), 1) <> 1 OR coalesce(max(i.sequence), 0) <> n.last_number OR bool_or(i.odd)
ORDER BY 1 LIMIT 1
