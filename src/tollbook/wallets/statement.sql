-- name: statement
-- The balance of each wallet at the edges of days, by one index look-up each, and what moved it but usage, from the index that leaves usage out; corrections of usage, which may be many, added up by day. One statement, so that all is of one instant.
WITH edge AS (
    SELECT at, place FROM unnest(%(edges)s::timestamptz[]) WITH ORDINALITY AS edge (at, place)
), mine AS (
    SELECT wallet.id, wallet.type_code, type.name, type.position
    FROM wallet JOIN credit_type AS type ON type.code = wallet.type_code
    WHERE wallet.account_id = %(account_id)s
), moved AS (
    SELECT wallet_id, width_bucket(posted_at, %(edges)s::timestamptz[]) AS place, kind, description, reference, actor,
           balance_after - balance_before AS amount, posted_at, id
    FROM transfer
    WHERE account_id = %(account_id)s AND wallet_id IS NOT NULL AND kind <> 'usage'
      AND posted_at >= (%(edges)s::timestamptz[])[1]
      AND posted_at < (%(edges)s::timestamptz[])[cardinality(%(edges)s::timestamptz[])]
), told AS (
    SELECT mine.id, edge.place, 'balance' AS kind, '' AS description, '' AS reference, '' AS actor,
           coalesce(latest.balance_after, 0) AS amount, 0 AS rank, NULL::timestamptz AS posted_at, NULL::uuid AS move_id
    FROM mine CROSS JOIN edge
    LEFT JOIN LATERAL (
        SELECT balance_after FROM transfer
        WHERE account_id = %(account_id)s AND wallet_id = mine.id AND posted_at < edge.at
        ORDER BY posted_at DESC, id DESC
        LIMIT 1
    ) AS latest ON true
    UNION ALL
    SELECT wallet_id, place, kind, description, reference, actor, amount, 1, posted_at, id FROM moved WHERE kind <> 'reversal'
    UNION ALL
    SELECT wallet_id, place, kind, count(*) || CASE count(*) WHEN 1 THEN ' event' ELSE ' events' END, '', '', sum(amount), 2, NULL, NULL
    FROM moved WHERE kind = 'reversal' GROUP BY wallet_id, place, kind
)
SELECT mine.id, mine.type_code, mine.name, told.place, told.kind, told.description, told.reference, told.actor, told.amount
FROM told JOIN mine ON mine.id = told.id
ORDER BY mine.position, told.place, told.rank, told.posted_at, told.move_id
