-- name: state
-- Figures about the books in one row, each from a partial index or a small table.
SELECT
    (SELECT count(*) FROM refill_rule r JOIN wallet w ON w.account_id = r.account_id AND w.id = r.wallet_id
     WHERE r.automatic AND w.paid + w.granted <= r.minimum_before_refill) AS wallets_below_minimum,
    (SELECT count(*) FROM (SELECT FROM usage_backlog LIMIT 100000) AS waiting) AS usage_backlog,
    (SELECT count(*) FROM hold WHERE state = 'open') AS open_holds,
    (SELECT extract(epoch FROM clock_timestamp() - max(at)) FROM worker_beat) AS worker_beat_age_seconds

-- name: refills
-- Open refills and those of the last day, by state: a scan of a table that is small beside all others.
SELECT state, count(*) FROM refill WHERE finished_at IS NULL OR finished_at > now() - interval '1 day' GROUP BY state
