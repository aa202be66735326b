-- name: plans
-- All that the accounts agreed to and did not take back; days of recording are local days of each account, so that Python needs no clock.
SELECT s.account_id, s.id, s.name, s.kind, s.quantity, s.model, s.price, s.scheme::text, s.starts_on, s.ends_on,
       (s.created_at AT TIME ZONE a.timezone)::date, s.anchor_on, s.months, s.free_until, s.prorated, s.at_once,
       c.tax_code, c.grant_type_code, c.grant_amount, CASE WHEN s.follows THEN s.component_code END
FROM subscription AS s
JOIN account AS a ON a.id = s.account_id
JOIN component AS c ON c.code = s.component_code
WHERE s.account_id = ANY (%(accounts)b) AND (s.ends_on IS NULL OR s.ends_on >= s.starts_on)
ORDER BY s.account_id, s.kind, s.name, s.id

-- name: including
-- Accounts with anything that includes credit, so that all others cost nothing.
SELECT DISTINCT s.account_id
FROM subscription AS s
JOIN component AS c ON c.code = s.component_code
JOIN account AS a ON a.id = s.account_id
WHERE c.grant_amount > 0 AND a.is_active
ORDER BY s.account_id

-- name: changes
-- What was recorded about them later, in the order of recording.
SELECT h.subscription_id, h.id, h.kind, (h.recorded_at AT TIME ZONE a.timezone)::date, h.from_on, h.until_on, h.quantity,
       h.model, h.price, h.scheme::text, h.percent, h.amount, h.prorated, h.at_once, h.withdraws
FROM subscription_change AS h
JOIN account AS a ON a.id = h.account_id
WHERE h.account_id = ANY (%(accounts)b)
ORDER BY h.account_id, h.recorded_at, h.id

-- name: versions
-- Prices of components that are followed, oldest first.
SELECT component_code, valid_from, (recorded_at AT TIME ZONE 'UTC')::date, model, price, scheme::text
FROM component_price
WHERE component_code = ANY (%(codes)b)
ORDER BY valid_from, recorded_at, id

-- name: commitments
-- What accounts agreed to pay at least, unless it was taken back.
SELECT c.account_id, c.id, c.amount, c.starts_on, c.ends_on, (c.created_at AT TIME ZONE a.timezone)::date
FROM commitment AS c
JOIN account AS a ON a.id = c.account_id
WHERE c.account_id = ANY (%(accounts)b) AND (c.ends_on IS NULL OR c.ends_on >= c.starts_on)
ORDER BY c.account_id, c.starts_on, c.id
