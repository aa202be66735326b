-- name: bump
-- The row is the lock of one deck, and its number tells every process that holds the deck in memory that it is old; it only ever grows.
INSERT INTO rate_version (account_id, name, version) VALUES (%(account_id)s, 'deck', %(now_us)s)
ON CONFLICT (account_id, name) DO UPDATE SET version = greatest(rate_version.version + 1, excluded.version)
