-- name: due
-- What is due, the longest waiting first, of each recipient only two, so that a slow or dead one holds up nobody else. A plain read, without locks.
SELECT account_id, id
FROM (
    SELECT account_id, id, due_at, row_number() OVER (PARTITION BY account_id, channel, recipient ORDER BY due_at) AS place
    FROM alert_delivery
    WHERE state = 'waiting' AND due_at <= clock_timestamp()
) AS waiting
WHERE place <= 2
ORDER BY due_at
LIMIT %(limit)s

-- name: claim
-- The turn to send: whoever gets it moves the time on, so that nobody else sends it meanwhile, and it is sent again if this one dies.
UPDATE alert_delivery
SET claim = %(claim)s, due_at = clock_timestamp() + %(lease)s::interval, tries = tries + 1, attempts = attempts + 1
WHERE account_id = %(account_id)s AND id = %(id)s AND state = 'waiting' AND due_at <= clock_timestamp()
RETURNING notice_id, channel, recipient, tries, attempts

-- name: attempt
-- What the other side said to one try.
INSERT INTO alert_attempt (account_id, delivery_id, attempt, at, took_ms, status, outcome, answer)
VALUES (%(account_id)s, %(id)s, %(attempt)s, %(at)s, %(took_ms)s, %(status)s, %(outcome)s, %(answer)s)
ON CONFLICT DO NOTHING

-- name: done
-- The end of a delivery, by whoever has the turn, or a late answer of one who had it: what was delivered stays delivered.
UPDATE alert_delivery
SET state = %(state)s, finished_at = clock_timestamp(), outcome = %(outcome)s, claim = NULL
WHERE account_id = %(account_id)s AND id = %(id)s AND state = 'waiting' AND (claim = %(claim)s OR %(state)s = 'delivered')

-- name: again
-- It waits for its next try.
UPDATE alert_delivery
SET due_at = clock_timestamp() + %(pause)s::interval, outcome = %(outcome)s, claim = NULL
WHERE account_id = %(account_id)s AND id = %(id)s AND state = 'waiting' AND claim = %(claim)s

-- name: succeeded
-- An endpoint answered as it should.
UPDATE alert_endpoint SET succeeded_at = clock_timestamp() WHERE account_id = %(account_id)s AND id = %(id)s

-- name: exhausted
-- Whether nothing reached this endpoint since a delivery that is given up was made, or since the endpoint was last switched on or changed by a success.
SELECT NOT EXISTS (
    SELECT FROM alert_endpoint e
    WHERE e.account_id = %(account_id)s AND e.id = %(endpoint_id)s AND e.succeeded_at >= d.made_at)
FROM alert_delivery d
WHERE d.account_id = %(account_id)s AND d.id = %(id)s

-- name: forget
-- Finished deliveries and their attempts after 90 days, a few at a time; notices stay, because their keys say what was told.
WITH old AS (
    SELECT account_id, id FROM alert_delivery
    WHERE state <> 'waiting' AND made_at < clock_timestamp() - %(kept)s::interval
    LIMIT %(limit)s
), attempts AS (
    DELETE FROM alert_attempt a USING old WHERE a.account_id = old.account_id AND a.delivery_id = old.id
)
DELETE FROM alert_delivery d USING old WHERE d.account_id = old.account_id AND d.id = old.id
