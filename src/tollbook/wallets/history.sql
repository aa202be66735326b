-- name: older
-- The newest records before a key; each of the two sources walks its own index, from one bound (two would make it walk from the wrong one), and gives no more than the page needs.
SELECT * FROM (
    (SELECT id, posted_at AS at, false AS is_hold, kind, reference, description, actor, detail_count AS events,
            balance_before AS before, balance_after AS after
     FROM transfer
     WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s
       AND CASE %(kind)s::text WHEN 'usage' THEN kind = 'usage' WHEN 'refill' THEN kind = 'refill'
                               WHEN 'correction' THEN kind NOT IN ('usage', 'refill') WHEN 'hold' THEN false ELSE true END
       AND posted_at >= %(since)s::timestamptz AND (posted_at, id) < (%(at)s::timestamptz, %(id)s::uuid)
     ORDER BY posted_at DESC, id DESC
     LIMIT %(limit)s)
    UNION ALL
    (SELECT id, at, true, kind, event_id, '', '', 0, held_before, held_after
     FROM hold_move
     WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s
       AND coalesce(%(kind)s::text, 'hold') = 'hold'
       AND at >= %(since)s::timestamptz AND (at, id) < (%(at)s::timestamptz, %(id)s::uuid)
     ORDER BY at DESC, id DESC
     LIMIT %(limit)s)
) AS record
ORDER BY at DESC, id DESC
LIMIT %(limit)s

-- name: newer
-- The records right after a key, oldest first: the way back to the page before.
SELECT * FROM (
    (SELECT id, posted_at AS at, false AS is_hold, kind, reference, description, actor, detail_count AS events,
            balance_before AS before, balance_after AS after
     FROM transfer
     WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s
       AND CASE %(kind)s::text WHEN 'usage' THEN kind = 'usage' WHEN 'refill' THEN kind = 'refill'
                               WHEN 'correction' THEN kind NOT IN ('usage', 'refill') WHEN 'hold' THEN false ELSE true END
       AND posted_at < %(until)s::timestamptz AND (posted_at, id) > (%(at)s::timestamptz, %(id)s::uuid)
     ORDER BY posted_at, id
     LIMIT %(limit)s)
    UNION ALL
    (SELECT id, at, true, kind, event_id, '', '', 0, held_before, held_after
     FROM hold_move
     WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s
       AND coalesce(%(kind)s::text, 'hold') = 'hold'
       AND at < %(until)s::timestamptz AND (at, id) > (%(at)s::timestamptz, %(id)s::uuid)
     ORDER BY at, id
     LIMIT %(limit)s)
) AS record
ORDER BY at, id
LIMIT %(limit)s

-- name: balances
-- Samples the balance at even instants by one index look-up each, because reading every debit of a busy month would take seconds; the few other movements are all in it.
WITH began AS (
    SELECT greatest(%(since)s::timestamptz, (
        SELECT posted_at FROM transfer
        WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s
        ORDER BY posted_at, id
        LIMIT 1
    )) AS at
), sampled AS (
    SELECT DISTINCT greatest(latest.posted_at, %(since)s::timestamptz) AS at, latest.wallet_seq * 2 AS place, latest.balance_after
    FROM (SELECT began.at + (%(until)s::timestamptz - began.at) * step / %(steps)s::int
          FROM began CROSS JOIN generate_series(0, %(steps)s::int) AS step) AS instant (at)
    CROSS JOIN LATERAL (
        SELECT posted_at, wallet_seq, balance_after
        FROM transfer
        WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s AND posted_at <= instant.at
        ORDER BY posted_at DESC, id DESC
        LIMIT 1
    ) AS latest
), told AS (
    SELECT posted_at, wallet_seq, balance_before, balance_after
    FROM transfer
    WHERE account_id = %(account_id)s AND wallet_id = %(wallet_id)s AND kind <> 'usage'
      AND posted_at >= %(since)s::timestamptz AND posted_at <= %(until)s::timestamptz
    ORDER BY posted_at DESC, id DESC
    LIMIT 500
), points AS (
    SELECT at, place, balance_after AS balance FROM sampled
    UNION
    SELECT posted_at, wallet_seq * 2 - 1, balance_before FROM told
    UNION
    SELECT posted_at, wallet_seq * 2, balance_after FROM told
)
SELECT at, balance FROM points ORDER BY at, place
