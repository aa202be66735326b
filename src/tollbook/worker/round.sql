-- name: take_turn
-- One worker runs a job at a time; the first number names Tollbook's jobs among advisory locks.
SELECT pg_try_advisory_lock(84650, %(key)s)

-- name: give_turn_back
-- The end of the turn.
SELECT pg_advisory_unlock(84650, %(key)s)

-- name: beat
-- When the job last ran to its end and what went wrong, for /readyz and for people.
INSERT INTO worker_beat (job, at, took_ms, error)
VALUES (%(job)s, statement_timestamp(), %(took_ms)s, %(error)s)
ON CONFLICT (job) DO UPDATE SET at = excluded.at, took_ms = excluded.took_ms, error = excluded.error
