-- name: gauges
-- Every wallet of one account in one read, also of types for which it has none yet, because a page shows all types from the first day.
SELECT type.code, type.name, type.unit, account.currency, wallet.id,
       coalesce(wallet.paid, 0), coalesce(wallet.granted, 0), coalesce(wallet.held, 0),
       CASE WHEN account.zero_rule = %(overdraft)s THEN account.overdraft_limit ELSE 0 END,
       coalesce(wallet.spent_since_funding, 0), coalesce(wallet.funded_balance, 0), wallet.funded_at
FROM account
CROSS JOIN credit_type AS type
LEFT JOIN wallet ON wallet.account_id = account.id AND wallet.type_code = type.code
WHERE account.id = %(account_id)s
  AND (type.is_active OR wallet.paid <> 0 OR wallet.granted <> 0 OR wallet.held <> 0)
ORDER BY type.position
