-- name: plans
-- All that the accounts agreed to and did not take back; days of recording are stored, because an account's time zone may change.
SELECT s.account_id, s.id, s.name, s.kind, s.quantity, s.model, s.price, s.scheme::text, s.starts_on, s.ends_on,
       s.known_on, s.anchor_on, s.months, s.free_until, s.prorated, s.at_once,
       c.tax_code, s.grant_type_code, s.grant_amount, CASE WHEN s.follows THEN s.component_code END
FROM subscription AS s
JOIN component AS c ON c.code = s.component_code
WHERE s.account_id = ANY (%(accounts)b) AND (s.ends_on IS NULL OR s.ends_on >= s.starts_on)
ORDER BY s.account_id, s.kind, s.name, s.id

-- name: including
-- Accounts with anything that includes credit, so that all others cost nothing.
SELECT DISTINCT s.account_id
FROM subscription AS s
JOIN account AS a ON a.id = s.account_id
WHERE s.grant_amount > 0 AND a.is_active
ORDER BY s.account_id

-- name: changes
-- What was recorded about them later, in the order of recording.
SELECT h.subscription_id, h.id, h.kind, h.known_on, h.from_on, h.until_on, h.quantity,
       h.model, h.price, h.scheme::text, h.percent, h.amount, h.prorated, h.at_once, h.withdraws
FROM subscription_change AS h
WHERE h.account_id = ANY (%(accounts)b)
ORDER BY h.account_id, h.recorded_at, h.id

-- name: versions
-- Prices of components that are followed, oldest first; which day they were recorded on is for each account to say.
SELECT component_code, valid_from, recorded_at, model, price, scheme::text
FROM component_price
WHERE component_code = ANY (%(codes)b)
ORDER BY valid_from, recorded_at, id

-- name: commitments
-- What accounts agreed to pay at least, unless it was taken back.
SELECT c.account_id, c.id, c.amount, c.starts_on, c.ends_on, c.known_on
FROM commitment AS c
WHERE c.account_id = ANY (%(accounts)b) AND (c.ends_on IS NULL OR c.ends_on >= c.starts_on)
ORDER BY c.account_id, c.starts_on, c.id
