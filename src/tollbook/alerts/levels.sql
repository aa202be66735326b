-- name: begin
-- The row that says what is known of a wallet, made before it is locked, so that two who begin at once lock the same one.
INSERT INTO alert_standing (account_id, wallet_id, below, crossings)
VALUES (%(account_id)s, %(wallet_id)s, '[]'::jsonb, 0)
ON CONFLICT DO NOTHING

-- name: state
-- One funded wallet and its levels with what they amount to, the deepest last: chosen ones, else the usual ones, else only zero while it refills itself.
SELECT w.account_id, w.id, w.type_code, w.currency, w.paid + w.granted, w.funded_balance, w.funded_at,
       array_agg(l.level ORDER BY l.threshold DESC, l.level), array_agg(l.threshold ORDER BY l.threshold DESC, l.level)
FROM wallet w
LEFT JOIN alert_levels c ON c.account_id = w.account_id AND c.wallet_id = w.id
LEFT JOIN refill_rule r ON r.account_id = w.account_id AND r.wallet_id = w.id
LEFT JOIN refill_stop s ON s.account_id = w.account_id AND s.wallet_id = w.id
LEFT JOIN LATERAL (
    SELECT t.level, CASE WHEN right(t.level, 1) = '%%' THEN greatest(w.funded_balance, 0) * rtrim(t.level, '%%')::numeric / 100
                         ELSE t.level::numeric END AS threshold
    FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(c.levels) = 'array' THEN c.levels
                                        WHEN r.automatic AND s.code IS NULL THEN '["0.00"]'::jsonb
                                        ELSE %(usual)s::jsonb END) AS t (level)
) AS l ON true
WHERE w.account_id = %(account_id)s AND w.id = %(wallet_id)s AND w.funded_at IS NOT NULL
GROUP BY w.account_id, w.id

-- name: changed
-- Funded wallets that are at or below a level they are not known to be below, or that were funded since they were; one pass over all wallets, because a balance says nothing of when it changed, with a cheap question before the dear one.
SELECT w.account_id, w.id
FROM wallet w
LEFT JOIN alert_standing k ON k.account_id = w.account_id AND k.wallet_id = w.id
LEFT JOIN alert_levels c ON c.account_id = w.account_id AND c.wallet_id = w.id
LEFT JOIN refill_rule r ON r.account_id = w.account_id AND r.wallet_id = w.id
LEFT JOIN refill_stop s ON s.account_id = w.account_id AND s.wallet_id = w.id
WHERE w.funded_at IS NOT NULL
  AND (k.below <> '[]'::jsonb AND k.funded_at IS DISTINCT FROM w.funded_at
       OR (c.wallet_id IS NOT NULL OR w.paid + w.granted <= greatest(w.funded_balance, 0) * %(highest)s::numeric / 100)
          AND EXISTS (
           SELECT FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(c.levels) = 'array' THEN c.levels
                                                      WHEN r.automatic AND s.code IS NULL THEN '["0.00"]'::jsonb
                                                      ELSE %(usual)s::jsonb END) AS t (level)
           WHERE w.paid + w.granted <= CASE WHEN right(t.level, 1) = '%%' THEN greatest(w.funded_balance, 0) * rtrim(t.level, '%%')::numeric / 100
                                            ELSE t.level::numeric END
             AND NOT coalesce(k.below, '[]'::jsonb) ? t.level))
LIMIT %(limit)s
