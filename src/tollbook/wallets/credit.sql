-- name: credit
-- Adds to one locked wallet; a sum that adds starts a new funding window, whose start is what the percentage used is measured from.
UPDATE wallet
SET paid = paid + %(paid)s,
    granted = granted + %(granted)s,
    funded_balance = CASE WHEN %(paid)s::numeric + %(granted)s::numeric > 0
                          THEN paid + granted + %(paid)s + %(granted)s ELSE funded_balance END,
    funded_at = CASE WHEN %(paid)s::numeric + %(granted)s::numeric > 0 THEN clock_timestamp() ELSE funded_at END,
    spent_since_funding = CASE WHEN %(paid)s::numeric + %(granted)s::numeric > 0 THEN 0 ELSE spent_since_funding END
WHERE account_id = %(account_id)s AND id = %(id)s
