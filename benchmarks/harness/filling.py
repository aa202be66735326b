"""Fills an installation with many events in minutes, leaving its tables as ingestion would have.

200,000 events are ingested over HTTP as of a month ago. They, their transfers, entries and sums are then copied inside
the server, and the worker is owed their roll-ups by attribute, as after ingestion. Each copy is a step later in time. Every
index is on, and rows come in the order in which ingestion inserts: by batch, then account, then id. Two connections write,
as two did. What is copied adds up but its chains don't: speed is all that such an installation is good for.
"""

import threading
import time
from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks.harness import stage
from benchmarks.harness.ingestion import Case, Ingestion
from benchmarks.harness.traffic import PER_SECOND, Traffic

TEMPLATE = 200_000
DAYS = 34
CONNECTIONS = 2
PATIENCE_SECONDS = 5
SPARE_BYTES = 3 * 2**30
"""For the write-ahead log, the floor's table and what sorting needs."""

PREPARE = """
CREATE SCHEMA fill;
CREATE TABLE fill.batch AS
    SELECT account_id, transfer_id AS id, row_number() OVER (ORDER BY transfer_id) AS fill_rank
    FROM usage_event GROUP BY account_id, transfer_id;
CREATE TABLE fill.event AS
    SELECT event.*, batch.fill_rank, extract(epoch FROM event.occurred_at) AS fill_at
    FROM usage_event AS event JOIN fill.batch ON batch.account_id = event.account_id AND batch.id = event.transfer_id;
CREATE TABLE fill.transfer AS
    SELECT transfer.*, batch.fill_rank, count(*) OVER (PARTITION BY account_id, wallet_id) AS fill_step
    FROM transfer JOIN fill.batch USING (account_id, id);
CREATE TABLE fill.entry AS
    SELECT entry.*, batch.fill_rank
    FROM entry JOIN fill.batch ON batch.account_id = entry.account_id AND batch.id = entry.transfer_id;
CREATE TABLE fill.sum AS
    SELECT account_id, type_code, count(*) AS events, sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity,
           sum(cost) AS cost
    FROM usage_event GROUP BY account_id, type_code;
ANALYZE fill.event; ANALYZE fill.transfer; ANALYZE fill.entry;
"""
NEW_BATCH = (
    "(%(id_ms)s || '7' || lpad(to_hex(fill_rank), 3, '0') || '8' || substr(md5(%(copy)s || fill_rank::text), 1, 15))::uuid"
)
"""A UUIDv7 of the instant of this copy; the batches of a copy keep their order."""

AT = "%(begins)s + (fill_at - %(first)s) * %(stretch)s"
"""When a copied event occurred: the two seconds of the template are stretched over the copy's share of the month."""

COPIED = {
    "usage_event": {
        "event_id": f"floor({AT})::bigint || substr(event_id, strpos(event_id, '.'))",
        "occurred_at": f"to_timestamp({AT})",
        "transfer_id": NEW_BATCH,
    },
    "transfer": {
        "id": NEW_BATCH,
        "reference": f"{NEW_BATCH}::text",
        "posted_at": "clock_timestamp()",
        "wallet_seq": "wallet_seq + fill_step * %(copy)s::int",
    },
    "entry": {"transfer_id": NEW_BATCH},
}
"""Of each table, the columns that are not copied as they are."""

OWED = f"INSERT INTO usage_backlog (account_id, transfer_id) SELECT account_id, {NEW_BATCH} FROM fill.batch"
SUMS = """
INSERT INTO usage_sum (account_id, type_code, quarter_at, events, quantity, billed_quantity, cost)
SELECT account_id, type_code, date_bin('15 minutes', to_timestamp(%(begins)s), '2000-01-01 00:00:00+00'),
       events, quantity, billed_quantity, cost
FROM fill.sum
ON CONFLICT (account_id, type_code, quarter_at) DO UPDATE
SET events = usage_sum.events + excluded.events, quantity = usage_sum.quantity + excluded.quantity,
    billed_quantity = usage_sum.billed_quantity + excluded.billed_quantity, cost = usage_sum.cost + excluded.cost
"""


@dataclass(frozen=True)
class Filled:
    """How many events there are now, and how long that took."""

    events: int
    seconds: float


class Filler:
    """One installation that will have `rows` events, with its template in place, which took `bytes_per_event`."""

    def __init__(self, ingestion: Ingestion, there: stage.Stage, rows: int) -> None:
        self.database = there.database
        self.rows = rows
        self.step = DAYS * 86_400 / (rows // TEMPLATE)
        self.first = int(time.time()) - DAYS * 86_400
        before = sum(there.sizes().values())
        ingestion.send(there, Case(), Traffic(TEMPLATE, self.first, 50_000_000))
        self.bytes_per_event = (sum(there.sizes().values()) - before) / TEMPLATE
        with self.database.connect("owner") as connection:
            connection.execute(PREPARE)
            ranks = connection.execute("SELECT max(fill_rank) FROM fill.batch").fetchone()
            assert ranks and ranks[0] < 4_096, "more batches than fit between two milliseconds of UUIDv7"
            self.statements = [_copying(connection, table) for table in COPIED]
            self.statements += [sql.Composed([sql.SQL(statement)]) for statement in (OWED, SUMS)]
        self.copies = 0
        self.lock = threading.Lock()

    def bytes_needed(self) -> int:
        """On disk, to have so many events."""
        return int(self.rows * self.bytes_per_event) + SPARE_BYTES

    def fill(self) -> Filled:
        """Copy; then let the worker catch up, vacuum as autovacuum would, and let a checkpoint pass."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._copy) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._let_worker_catch_up()
        with self.database.connect("owner") as connection:
            connection.execute("VACUUM (ANALYZE) usage_event, transfer, entry, usage_sum")
            connection.execute("CHECKPOINT")
            found = connection.execute("SELECT count(*) FROM usage_event").fetchone()
        return Filled(found[0] if found else 0, time.monotonic() - began)

    def _let_worker_catch_up(self) -> None:
        """Until nothing is owed any more, or no less in a while."""
        least, patience = self._owed(), PATIENCE_SECONDS
        while least and patience:
            time.sleep(1)
            owed = self._owed()
            least, patience = min(least, owed), PATIENCE_SECONDS if owed < least else patience - 1

    def _owed(self) -> int:
        with self.database.connect("owner") as connection:
            found = connection.execute("SELECT count(*) FROM usage_backlog").fetchone()
        return found[0] if found else 0

    def _copy(self) -> None:
        with self.database.connect("owner") as connection:
            while True:
                with self.lock:
                    if self.copies >= self.rows // TEMPLATE - 1:
                        return
                    self.copies += 1
                    copy, milliseconds = self.copies, int(time.time() * 1000)
                values = {
                    "copy": str(copy),
                    "id_ms": f"{milliseconds:012x}",
                    "first": self.first,
                    "begins": self.first + copy * self.step,
                    "stretch": self.step / (TEMPLATE / PER_SECOND),
                }
                with connection.transaction():
                    for statement in self.statements:
                        connection.execute(statement, values)


def _copying(connection: psycopg.Connection, table: str) -> sql.Composed:
    """INSERT ... SELECT of a table's template with its columns changed as `COPIED` says."""
    changed = COPIED[table]
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
        [table],
    )
    names = [name for (name,) in found]
    values = [sql.SQL(changed[name]) if name in changed else sql.Identifier(name) for name in names]
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(values),
        sql.Identifier("fill", table.removeprefix("usage_")),
    )  # fmt: skip
