-- name: newest
-- The newest transfers before a key, along the index by time of the account or of one wallet.
SELECT id, posted_at, kind, reference, description, actor, wallet_id, balance_before, balance_after, detail_count
FROM transfer
WHERE account_id = %(account_id)s
  AND (%(wallet_id)s::uuid IS NULL OR wallet_id = %(wallet_id)s::uuid)
  AND posted_at >= coalesce(%(since)s::timestamptz, '-infinity')
  AND posted_at < coalesce(%(until)s::timestamptz, 'infinity')
  AND (posted_at, id) < (coalesce(%(at)s::timestamptz, 'infinity'),
                         coalesce(%(id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY posted_at DESC, id DESC
LIMIT %(limit)s
