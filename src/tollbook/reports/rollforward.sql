-- name: moved
-- What each purse holds now and what moved since, so that opening and closing follow without reading the years before; one statement, so one state. Moves after the period are apart.
SELECT CASE WHEN %(by_account)s THEN a.slug ELSE '' END AS slug, w.currency, w.type_code, p.purse,
       sum(CASE p.purse WHEN 'paid' THEN w.paid ELSE w.granted END) AS holds,
       coalesce(sum(m.after), 0), coalesce(sum(m.topped_up), 0), coalesce(sum(m.granted), 0), coalesce(sum(m.used), 0),
       coalesce(sum(m.refunded), 0), coalesce(sum(m.expired), 0), coalesce(sum(m.adjusted), 0), coalesce(sum(m.other), 0)
FROM wallet w
JOIN account a ON a.id = w.account_id
CROSS JOIN (VALUES ('paid'), ('granted')) AS p (purse)
LEFT JOIN (
    SELECT t.account_id, t.wallet_id, e.code,
           -sum(e.amount) FILTER (WHERE t.posted_at >= %(ends_at)s) AS after,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind = 'refill') AS topped_up,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind = 'grant') AS granted,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind IN ('usage', 'reversal')) AS used,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind IN ('refund_begun', 'refund_undone')) AS refunded,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind = 'expiry') AS expired,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind = 'adjustment') AS adjusted,
           -sum(e.amount) FILTER (WHERE t.posted_at < %(ends_at)s AND t.kind NOT IN (
               'refill', 'grant', 'usage', 'reversal', 'refund_begun', 'refund_undone', 'expiry', 'adjustment')) AS other
    FROM transfer t
    JOIN entry e ON e.account_id = t.account_id AND e.transfer_id = t.id AND e.code LIKE 'wallet:%%'
    WHERE t.wallet_id IS NOT NULL AND t.posted_at >= %(begins_at)s
      AND (%(account_id)s::uuid IS NULL OR t.account_id = %(account_id)s::uuid)
    GROUP BY t.account_id, t.wallet_id, e.code
) m ON m.account_id = w.account_id AND m.wallet_id = w.id AND m.code = 'wallet:' || w.type_code || ':' || p.purse
WHERE %(account_id)s::uuid IS NULL OR w.account_id = %(account_id)s::uuid
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4 DESC

-- name: chained
-- The same openings and closings by another way: what each wallet's last transfer before the instant says it left, which the wallet's hash chain seals.
SELECT w.currency, w.type_code, coalesce(sum(o.balance_after), 0), coalesce(sum(c.balance_after), 0)
FROM wallet w
LEFT JOIN LATERAL (SELECT balance_after FROM transfer t WHERE t.account_id = w.account_id AND t.wallet_id = w.id
                   AND t.posted_at < %(begins_at)s ORDER BY t.posted_at DESC, t.id DESC LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT balance_after FROM transfer t WHERE t.account_id = w.account_id AND t.wallet_id = w.id
                   AND t.posted_at < %(ends_at)s ORDER BY t.posted_at DESC, t.id DESC LIMIT 1) c ON true
WHERE %(account_id)s::uuid IS NULL OR w.account_id = %(account_id)s::uuid
GROUP BY 1, 2
