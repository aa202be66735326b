-- name: due
-- Open invoices whose next day of the schedule has come; tries keep their distance when they come late, and what was withdrawn rests for an hour. Candidates only: looked at again under the account's lock.
SELECT o.account_id, o.invoice_id, o.balance, t.tries, jsonb_array_length(s.days), (s.days->>t.tries)::int,
       format('dunning:%%s:%%s:%%s', o.invoice_id, t.tries, t.withdrawn)
FROM collection_schedule s
JOIN open_balance o ON o.balance > 0
JOIN invoice i ON i.account_id = o.account_id AND i.id = o.invoice_id AND i.issued_at >= s.since_at
JOIN account a ON a.id = o.account_id AND a.is_active
JOIN payment_method m ON m.account_id = o.account_id AND m.is_default AND m.removed_at IS NULL
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE n.automatic AND n.state <> 'withdrawn')::int AS tries,
           count(*) FILTER (WHERE n.automatic AND n.state = 'withdrawn') AS withdrawn,
           max(n.charging_at) FILTER (WHERE n.automatic) AS last_at,
           max(n.finished_at) FILTER (WHERE n.automatic AND n.state = 'withdrawn') AS withdrawn_at,
           coalesce(bool_or(n.state IN ('decided', 'charging', 'unknown', 'action_required') OR n.needs_person_at IS NOT NULL),
                    false) AS is_open
    FROM payment_intent n WHERE n.account_id = o.account_id AND n.invoice_id = o.invoice_id) t
WHERE s.name = 'invoices' AND s.is_on AND NOT t.is_open AND t.tries < jsonb_array_length(s.days)
  AND (clock_timestamp() AT TIME ZONE a.timezone)::date >= i.issued_on + (s.days->>t.tries)::int
  AND (t.tries = 0 OR t.last_at <= clock_timestamp() + interval '12 hours'
       - make_interval(days => (s.days->>t.tries)::int - (s.days->>(t.tries - 1))::int))
  AND (t.withdrawn_at IS NULL OR t.withdrawn_at < clock_timestamp() - interval '1 hour')
  AND NOT EXISTS (SELECT FROM collection_choice c WHERE c.account_id = o.account_id AND c.name = s.name AND NOT c.collects)
  AND NOT EXISTS (SELECT FROM dispute d WHERE d.account_id = o.account_id AND d.state = 'open')
  AND i.kind <> 'refill'
  AND NOT EXISTS (SELECT FROM settlement b WHERE b.account_id = o.account_id AND b.invoice_id = o.invoice_id AND b.amount < 0)
  AND NOT EXISTS (SELECT FROM card_attempt k WHERE k.account_id = o.account_id AND k.gateway = m.gateway AND k.token = m.token
                  AND k.is_hard AND k.failed_at > coalesce(m.renewed_at, '-infinity'))
ORDER BY o.due_on, o.account_id, o.sequence
LIMIT %(limit)s

-- name: planned
-- Open invoices of one account with the day on which each would be tried next if the account collects; what a person has to see to is left out, as in `due`.
SELECT i.number, i.currency, o.balance,
       GREATEST(i.issued_on + (s.days->>t.tries)::int, (clock_timestamp() AT TIME ZONE a.timezone)::date)
FROM collection_schedule s
JOIN open_balance o ON o.account_id = %(account_id)s AND o.balance > 0
JOIN invoice i ON i.account_id = o.account_id AND i.id = o.invoice_id AND i.issued_at >= s.since_at AND i.kind <> 'refill'
JOIN account a ON a.id = o.account_id
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE n.automatic AND n.state <> 'withdrawn')::int AS tries,
           coalesce(bool_or(n.state IN ('decided', 'charging', 'unknown', 'action_required') OR n.needs_person_at IS NOT NULL),
                    false) AS is_open
    FROM payment_intent n WHERE n.account_id = o.account_id AND n.invoice_id = o.invoice_id) t
WHERE s.name = 'invoices' AND s.is_on AND NOT t.is_open AND t.tries < jsonb_array_length(s.days)
  AND NOT EXISTS (SELECT FROM dispute d WHERE d.account_id = o.account_id AND d.state = 'open')
  AND NOT EXISTS (SELECT FROM settlement b WHERE b.account_id = o.account_id AND b.invoice_id = o.invoice_id AND b.amount < 0)
ORDER BY 4, o.due_on, i.number

-- name: chased
-- Open invoices under the schedule with where they stand, and why one waits for a person: those first, then by due date.
SELECT o.account_id, a.slug, a.name, i.currency, o.number, o.balance, o.due_on, t.tries, jsonb_array_length(s.days),
       CASE WHEN w.why = '' AND t.tries < jsonb_array_length(s.days) THEN i.issued_on + (s.days->>t.tries)::int END,
       t.last_at, coalesce(t.last_outcome, ''), w.why
FROM collection_schedule s
JOIN open_balance o ON o.balance > 0
JOIN invoice i ON i.account_id = o.account_id AND i.id = o.invoice_id AND i.issued_at >= s.since_at
JOIN account a ON a.id = o.account_id
LEFT JOIN payment_method m ON m.account_id = o.account_id AND m.is_default AND m.removed_at IS NULL
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE n.automatic AND n.state <> 'withdrawn')::int AS tries, max(n.charging_at) AS last_at,
           (array_agg(n.state ORDER BY n.decided_at DESC))[1] AS last_state,
           (array_agg(n.outcome ORDER BY n.decided_at DESC))[1] AS last_outcome,
           coalesce(bool_or(n.state = 'unknown' AND n.charging_at < clock_timestamp() - interval '1 hour'), false) AS is_lost,
           coalesce(bool_or(n.needs_person_at IS NOT NULL), false) AS is_asked
    FROM payment_intent n WHERE n.account_id = o.account_id AND n.invoice_id = o.invoice_id) t
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN t.is_lost THEN 'The gateway does not say what became of a charge.'
        WHEN t.is_asked THEN 'A payment of it waits for your word, under Payments.'
        WHEN EXISTS (SELECT FROM dispute d WHERE d.account_id = o.account_id AND d.state = 'open')
            THEN 'A payment of this account is disputed.'
        WHEN NOT a.is_active THEN 'The account is closed.'
        WHEN i.kind = 'refill' THEN 'It sold credit, and what paid for it is gone.'
        WHEN EXISTS (SELECT FROM settlement b
                     WHERE b.account_id = o.account_id AND b.invoice_id = o.invoice_id AND b.amount < 0)
            THEN 'What was paid on it was given back or charged back.'
        WHEN t.last_state = 'action_required' THEN 'The card''s holder has to confirm the charge.'
        WHEN t.tries >= jsonb_array_length(s.days) AND t.last_state NOT IN ('decided', 'charging', 'unknown')
            THEN 'Every try of the schedule failed.'
        WHEN EXISTS (SELECT FROM collection_choice c WHERE c.account_id = o.account_id AND c.name = s.name AND NOT c.collects)
            THEN CASE WHEN o.due_on <= current_date THEN 'The account pays by itself, and this is due.' ELSE '' END
        WHEN m.id IS NULL AND o.due_on <= current_date THEN 'There is no card to charge, and this is due.'
        WHEN EXISTS (SELECT FROM card_attempt k WHERE k.account_id = o.account_id AND k.gateway = m.gateway AND k.token = m.token
                     AND k.is_hard AND k.failed_at > coalesce(m.renewed_at, '-infinity'))
            THEN 'The bank said that the card must not be tried again.'
        ELSE '' END AS why) w
WHERE s.name = 'invoices'
ORDER BY w.why = '', o.due_on, a.slug, o.sequence
LIMIT %(limit)s
