-- name: spent
-- What each type cost in two windows that end now, and when it was first used in the longer one; from the roll-up, whose key this walks.
SELECT type_code,
       coalesce(sum(cost) FILTER (WHERE quarter_at >= %(recent)s), 0),
       sum(cost),
       min(quarter_at)
FROM usage_sum
WHERE account_id = %(account_id)s AND quarter_at >= %(week)s AND quarter_at <= %(now)s
GROUP BY type_code
