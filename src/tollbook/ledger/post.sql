-- name: heads
-- The last link of each wallet's chain and the instant of posting; called with the wallets' rows locked, so nobody can add a link meanwhile.
SELECT clock_timestamp() AS posted_at, wanted.wallet_id, head.wallet_seq, head.digest
FROM (SELECT (key ->> 0)::uuid AS account_id, (key ->> 1)::uuid AS wallet_id FROM json_array_elements(%(wallets)s::json) AS key) AS wanted
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

-- name: insert
-- Transfers with all their sides, in one statement. A cause that is in the books already breaks its unique key.
WITH transfers AS (
    INSERT INTO transfer (account_id, id, posted_at, kind, reference, description, actor, wallet_id, wallet_seq,
                          balance_before, balance_after, detail_count, detail_digest, digest)
    SELECT account_id, id, posted_at, kind, reference, description, actor, wallet_id, wallet_seq,
           balance_before, balance_after, detail_count, detail_digest, digest
    FROM json_to_recordset(%(transfers)s::json)
         AS t (account_id uuid, id uuid, posted_at timestamptz, kind text, reference text, description text, actor text,
               wallet_id uuid, wallet_seq bigint, balance_before numeric, balance_after numeric, detail_count int,
               detail_digest bytea, digest bytea)
)
INSERT INTO entry (account_id, transfer_id, position, code, currency, amount)
SELECT account_id, transfer_id, position, code, currency, amount
FROM json_to_recordset(%(entries)s::json)
     AS e (account_id uuid, transfer_id uuid, position smallint, code text, currency text, amount numeric)
