-- name: taken
-- What some transfers took of one purse, all together.
SELECT coalesce(sum(amount), 0) FROM entry
WHERE account_id = %(account_id)s AND code = %(code)s AND transfer_id = ANY(%(transfer_ids)s::uuid[])

-- name: give_back
-- Adds to one locked wallet what usage had taken; what was used before the last funding does not count as used since.
UPDATE wallet
SET paid = paid + %(paid)s, granted = granted + %(granted)s,
    spent_since_funding = greatest(spent_since_funding - %(paid)s::numeric - %(granted)s::numeric, 0)
WHERE account_id = %(account_id)s AND id = %(id)s
