-- name: heads
-- The last link of each wallet's chain and the instant of posting; called with the wallets' rows locked, so nobody can add a link meanwhile.
SELECT clock_timestamp() AS posted_at, wanted.wallet_id, head.wallet_seq, head.digest
FROM unnest(%(account_ids)b::uuid[], %(wallet_ids)b::uuid[]) AS wanted (account_id, wallet_id)
LEFT JOIN LATERAL (
    SELECT wallet_seq, digest
    FROM transfer
    WHERE account_id = wanted.account_id AND wallet_id = wanted.wallet_id
    ORDER BY wallet_seq DESC
    LIMIT 1
) AS head ON true

-- name: open_accounts
-- Opens the accounts of the books that are named for the first time; repeating it does nothing.
INSERT INTO ledger_account (account_id, code, created_at)
SELECT new.account_id, new.code, clock_timestamp() FROM unnest(%(account_ids)b::uuid[], %(codes)b::text[]) AS new (account_id, code)
ON CONFLICT (account_id, code) DO NOTHING

-- name: insert_transfers
-- One row per movement; a cause that is in the books already is left out, and the caller notices by the count.
INSERT INTO transfer (account_id, id, posted_at, kind, reference, description, actor, wallet_id, wallet_seq,
                      balance_before, balance_after, detail_count, detail_digest, digest)
SELECT t.account_id, t.id, t.posted_at, t.kind, t.reference, t.description, t.actor, t.wallet_id, t.wallet_seq,
       t.balance_before, t.balance_after, t.detail_count, t.detail_digest, t.digest
FROM unnest(%(account_ids)b::uuid[], %(ids)b::uuid[], %(posted_ats)b::timestamptz[], %(kinds)b::text[], %(references)b::text[],
            %(descriptions)b::text[], %(actors)b::text[], %(wallet_ids)b::uuid[], %(wallet_seqs)b::bigint[],
            %(befores)b::numeric[], %(afters)b::numeric[], %(detail_counts)b::int[], %(detail_digests)b::bytea[],
            %(digests)b::bytea[])
     AS t (account_id, id, posted_at, kind, reference, description, actor, wallet_id, wallet_seq, balance_before, balance_after,
           detail_count, detail_digest, digest)
ON CONFLICT (account_id, kind, reference) DO NOTHING

-- name: insert_entries
-- The sides of the transfers just inserted, all in one statement.
INSERT INTO entry (account_id, transfer_id, position, code, currency, amount)
SELECT e.account_id, e.transfer_id, e.position, e.code, e.currency, e.amount
FROM unnest(%(account_ids)b::uuid[], %(currencies)b::text[], %(transfer_ids)b::uuid[], %(positions)b::smallint[],
            %(codes)b::text[], %(amounts)b::numeric[]) AS e (account_id, currency, transfer_id, position, code, amount)
