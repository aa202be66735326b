-- name: refills_finished
-- Refills that ended since, and were not told yet; the anti-join lets the same stretch be read again, since a commit may come later than the time it carries.
SELECT r.account_id, r.id, r.state, r.finished_at, r.amount, r.currency, r.outcome, r.automatic, w.type_code, t.name, w.paid + w.granted, i.number
FROM refill r
JOIN wallet w ON w.account_id = r.account_id AND w.id = r.wallet_id
JOIN credit_type t ON t.code = w.type_code
LEFT JOIN invoice i ON i.account_id = r.account_id AND i.id = r.invoice_id
WHERE r.finished_at > %(since)s AND r.state IN ('succeeded', 'declined')
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = r.account_id AND n.kind = 'refill.' || r.state
                  AND n.subject = 'refill/' || r.id AND n.crossing = '')
ORDER BY r.finished_at
LIMIT %(limit)s

-- name: refills_waiting
-- Refills that wait for the card's holder (told to the account), and those that wait for a person at the desk, in whatever state, once for each time they were put there (told to the operator); what nobody has put there in two hours, too. What an earlier release told had no crossing.
SELECT r.account_id, r.id, told.told_as, coalesce(told.asked_at, r.charging_at, r.decided_at), r.amount, r.currency,
       CASE told.told_as WHEN 'unknown' THEN coalesce(nullif(r.question, ''), r.outcome) ELSE r.outcome END,
       r.automatic, w.type_code, t.name, w.paid + w.granted, NULL::text, told.crossing
FROM refill r
JOIN wallet w ON w.account_id = r.account_id AND w.id = r.wallet_id
JOIN credit_type t ON t.code = w.type_code
JOIN LATERAL (
    SELECT 'action_required' AS told_as, NULL::timestamptz AS asked_at, '' AS crossing
    WHERE r.state = 'action_required' AND r.decided_at > %(began)s AND NOT EXISTS (
        SELECT FROM alert_notice n WHERE n.account_id = r.account_id AND n.kind = 'refill.action_required'
        AND n.subject = 'refill/' || r.id AND n.crossing = '')
    UNION ALL
    SELECT 'unknown', r.needs_person_at, asked.crossing
    FROM (SELECT to_char(r.needs_person_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') AS crossing) AS asked
    WHERE r.needs_person_at > %(began)s AND NOT EXISTS (
        SELECT FROM alert_notice n WHERE n.account_id = %(operator)s AND n.kind = 'refill.unresolved'
        AND n.subject = 'refill/' || r.id AND (n.crossing = asked.crossing OR n.crossing = '' AND n.made_at > r.needs_person_at))
    UNION ALL
    SELECT 'unknown', NULL, ''
    WHERE r.state = 'unknown' AND r.needs_person_at IS NULL AND r.decided_at > %(began)s
        AND r.charging_at < clock_timestamp() - interval '2 hours' AND NOT EXISTS (
        SELECT FROM alert_notice n WHERE n.account_id = %(operator)s AND n.kind = 'refill.unresolved'
        AND n.subject = 'refill/' || r.id)) told ON true
WHERE r.state IN ('unknown', 'action_required') OR r.needs_person_at IS NOT NULL
ORDER BY r.decided_at
LIMIT %(limit)s

-- name: stops
-- Wallets whose refills are stopped and which were not told so yet; a new beginning of the same stop is a new one. What often ends by itself is told after a quarter of an hour.
SELECT s.account_id, s.wallet_id, s.code, s.reason, s.since_at, s.until_at, w.type_code, t.name, w.currency, w.paid + w.granted
FROM refill_stop s
JOIN wallet w ON w.account_id = s.account_id AND w.id = s.wallet_id
JOIN credit_type t ON t.code = w.type_code
WHERE s.since_at > %(began)s AND s.code <> ALL(%(quiet)s::text[])
  AND (s.code <> ALL(%(brief)s::text[]) OR s.since_at < clock_timestamp() - interval '15 minutes')
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = s.account_id AND n.kind = 'refill.stopped'
                  AND n.subject = 'wallet/' || s.wallet_id || '/' || s.code
                  AND n.crossing = to_char(s.since_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'))
ORDER BY s.since_at
LIMIT %(limit)s

-- name: invoices
-- Invoices issued since, and not told yet.
SELECT i.account_id, i.id, i.number, i.kind, i.total, i.currency, i.issued_on, i.due_on, i.issued_at, o.balance
FROM invoice i
JOIN open_balance o ON o.account_id = i.account_id AND o.invoice_id = i.id
WHERE i.issued_at > %(since)s
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = i.account_id AND n.kind = 'invoice.issued'
                  AND n.subject = 'invoice/' || i.id AND n.crossing = '')
ORDER BY i.issued_at
LIMIT %(limit)s

-- name: cards
-- Cards whose last day is 30 days away or less, and again 7 days: the nearer of the two that was not told yet.
SELECT c.account_id, c.id, c.brand, c.last4, c.is_default, c.last_on, c.step
FROM (
    SELECT m.*, CASE WHEN m.last_on - m.today <= 7 THEN '7' ELSE '30' END AS step
    FROM (
        SELECT p.*, (make_date(p.expires_year, p.expires_month, 1) + interval '1 month' - interval '1 day')::date AS last_on,
               (statement_timestamp() AT TIME ZONE a.timezone)::date AS today
        FROM payment_method p JOIN account a ON a.id = p.account_id
        WHERE p.removed_at IS NULL AND p.expires_month BETWEEN 1 AND 12 AND p.expires_year BETWEEN 2000 AND 9999
    ) AS m
    WHERE m.last_on - m.today BETWEEN 0 AND 30
) AS c
WHERE NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = c.account_id AND n.kind = 'card.expiring'
                  AND n.subject = 'card/' || c.id AND n.crossing = c.last_on || '/' || c.step)
LIMIT %(limit)s

-- name: payments_failed
-- Charges of invoices by themselves that failed since, with the day of the next try; what a person tried, that person saw.
SELECT p.account_id, p.id, p.state, p.finished_at, i.number, p.amount, p.currency, p.outcome,
       CASE WHEN NOT p.is_hard AND s.is_on AND o.balance > 0 THEN i.issued_on + (s.days->>t.tries)::int END
FROM payment_intent p
JOIN invoice i ON i.account_id = p.account_id AND i.id = p.invoice_id
JOIN open_balance o ON o.account_id = p.account_id AND o.invoice_id = p.invoice_id
LEFT JOIN collection_schedule s ON s.name = 'invoices'
CROSS JOIN LATERAL (
    SELECT count(*)::int AS tries FROM payment_intent n
    WHERE n.account_id = p.account_id AND n.invoice_id = p.invoice_id AND n.automatic AND n.state <> 'withdrawn') AS t
WHERE p.finished_at > %(since)s AND p.automatic AND p.state = 'declined'
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = p.account_id AND n.kind = 'payment.failed'
                  AND n.subject = 'payment/' || p.id AND n.crossing = '')
ORDER BY p.finished_at
LIMIT %(limit)s

-- name: payments_waiting
-- The same of charges of invoices; those that wait for the card's holder only when nobody asked for them.
SELECT p.account_id, p.id, told.told_as, coalesce(told.asked_at, p.charging_at, p.decided_at), i.number, p.amount, p.currency,
       coalesce(nullif(p.question, ''), p.outcome), NULL::date, told.crossing
FROM payment_intent p
JOIN invoice i ON i.account_id = p.account_id AND i.id = p.invoice_id
JOIN LATERAL (
    SELECT 'action_required' AS told_as, NULL::timestamptz AS asked_at, '' AS crossing
    WHERE p.state = 'action_required' AND p.automatic AND p.decided_at > %(began)s AND NOT EXISTS (
        SELECT FROM alert_notice n WHERE n.account_id = p.account_id AND n.kind = 'payment.action_required'
        AND n.subject = 'payment/' || p.id AND n.crossing = '')
    UNION ALL
    SELECT 'unknown', p.needs_person_at, asked.crossing
    FROM (SELECT to_char(p.needs_person_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') AS crossing) AS asked
    WHERE p.needs_person_at > %(began)s AND NOT EXISTS (
        SELECT FROM alert_notice n WHERE n.account_id = %(operator)s AND n.kind = 'payment.unresolved'
        AND n.subject = 'payment/' || p.id AND (n.crossing = asked.crossing OR n.crossing = '' AND n.made_at > p.needs_person_at))
    UNION ALL
    SELECT 'unknown', NULL, ''
    WHERE p.state = 'unknown' AND p.needs_person_at IS NULL AND p.decided_at > %(began)s
        AND p.charging_at < clock_timestamp() - interval '2 hours' AND NOT EXISTS (
        SELECT FROM alert_notice n WHERE n.account_id = %(operator)s AND n.kind = 'payment.unresolved'
        AND n.subject = 'payment/' || p.id)) told ON true
WHERE p.state IN ('unknown', 'action_required') OR p.needs_person_at IS NOT NULL
ORDER BY p.decided_at
LIMIT %(limit)s

-- name: disputes
-- Disputes that were opened, and those that were won or lost (a lost one may still be won: once for each). There are few, and a gateway may tell of one a day late.
SELECT d.account_id, d.id, 'open', d.opened_at, d.amount, d.currency, d.fee, d.gateway || ' ' || d.reference, p.method_label
FROM dispute d JOIN payment p ON p.account_id = d.account_id AND p.id = d.payment_id
WHERE d.opened_at > %(began)s::timestamptz - interval '1 day'
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = d.account_id AND n.kind = 'dispute.opened'
                  AND n.subject = 'dispute/' || d.id AND n.crossing = '')
UNION ALL
SELECT d.account_id, d.id, d.state, coalesce(d.closed_at, d.opened_at), d.amount, d.currency, d.fee, d.gateway || ' ' || d.reference, p.method_label
FROM dispute d JOIN payment p ON p.account_id = d.account_id AND p.id = d.payment_id
WHERE d.opened_at > %(began)s::timestamptz - interval '1 day' AND d.state IN ('won', 'lost')
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = d.account_id AND n.kind = 'dispute.closed'
                  AND n.subject = 'dispute/' || d.id AND n.crossing = d.state)
LIMIT %(limit)s

-- name: reminders
-- Open invoices near their due day, by the account's calendar: the latest step of the schedule that is reached and was not told. A step before the due day is skipped when the invoice is not older than it, all of them while a payment is under way.
SELECT r.account_id, r.id, r.number, r.total, r.currency, r.issued_on, r.due_on, r.balance, r.step
FROM (
    SELECT o.account_id, o.invoice_id AS id, o.number, o.total, i.currency, o.issued_on, o.due_on, o.balance,
           (SELECT max(step) FROM unnest(%(steps)s::int[]) AS step
            WHERE step <= (statement_timestamp() AT TIME ZONE a.timezone)::date - o.due_on) AS step
    FROM open_balance o
    JOIN invoice i ON i.account_id = o.account_id AND i.id = o.invoice_id
    JOIN account a ON a.id = o.account_id AND a.is_active
    WHERE o.balance > 0 AND o.due_on BETWEEN current_date - %(longest)s::int AND current_date + %(longest)s::int
) AS r
WHERE r.step IS NOT NULL AND (r.step > 0 OR r.issued_on < r.due_on + r.step)
  AND NOT EXISTS (SELECT FROM payment_intent p WHERE p.account_id = r.account_id AND p.invoice_id = r.id
                  AND p.state IN ('charging', 'unknown', 'action_required'))
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = r.account_id AND n.kind = 'invoice.reminder'
                  AND n.subject = 'invoice/' || r.id AND n.crossing = r.due_on || '/' || r.step)
ORDER BY r.due_on, r.id
LIMIT %(limit)s

-- name: payments_received
-- Payments of the last days that were not told yet, with the invoices they paid; what paid a refill is told with the refill.
SELECT p.account_id, p.id, p.amount, p.currency, p.method_label, p.gateway, p.received_at,
       ARRAY(SELECT DISTINCT i.number FROM settlement s JOIN invoice i ON i.account_id = s.account_id AND i.id = s.invoice_id
             WHERE s.account_id = p.account_id AND s.payment_id = p.id AND s.amount > 0 ORDER BY i.number)
FROM payment p
WHERE p.received_at > greatest(%(began)s::timestamptz, statement_timestamp() - interval '2 days')
  AND NOT EXISTS (SELECT FROM refill r WHERE r.account_id = p.account_id AND r.charge_reference = p.charge_reference)
  AND NOT EXISTS (SELECT FROM alert_notice n WHERE n.account_id = p.account_id AND n.kind = 'payment.received'
                  AND n.subject = 'payment/' || p.id AND n.crossing = '')
ORDER BY p.received_at
LIMIT %(limit)s
