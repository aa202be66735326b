-- name: links
-- The transfers of each wallet in the order of their chain, with their entries folded in, so that the chain is read in one pass.
SELECT t.wallet_id, t.wallet_seq, t.id, t.kind, t.reference, t.posted_at, t.balance_before, t.balance_after,
       t.detail_digest, t.digest, e.codes, e.amounts
FROM transfer t
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(code ORDER BY position), '{}') AS codes, coalesce(array_agg(amount ORDER BY position), '{}') AS amounts
    FROM entry WHERE entry.account_id = t.account_id AND entry.transfer_id = t.id
) e
WHERE t.account_id = %(account_id)s AND t.wallet_id IS NOT NULL
ORDER BY t.wallet_id, t.wallet_seq

-- name: details
-- The events of each usage transfer, in order of their ids, beside the digest that seals them. With an archive, `archived` proves them.
SELECT u.transfer_id, t.detail_digest, u.event_id, u.type_code, u.occurred_at, u.billed_quantity, u.cost
FROM usage_event u
JOIN transfer t ON t.account_id = u.account_id AND t.id = u.transfer_id
WHERE u.account_id = %(account_id)s AND NOT EXISTS (SELECT FROM usage_archive WHERE account_id = %(account_id)s)
ORDER BY u.transfer_id, u.event_id
