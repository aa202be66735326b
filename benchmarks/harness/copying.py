"""Child: the floor of ingestion. Copies full event rows into a keyed table, and does nothing else with them.

The table has the key that deduplicates, no other index, and is emptied before each measurement. Each block is a
transaction of its own, as a batch is.
"""

import threading
import time
from collections.abc import Callable

import psycopg

from benchmarks.harness import child
from benchmarks.harness.traffic import Traffic, binary_rows, text_rows

TABLE = """
CREATE TABLE IF NOT EXISTS floor_event (
    account_id uuid NOT NULL, event_id text COLLATE "C" NOT NULL, type_code text NOT NULL,
    occurred_at timestamptz NOT NULL, quantity numeric(20, 6) NOT NULL, "to" text NOT NULL, sender text NOT NULL,
    attributes jsonb NOT NULL, PRIMARY KEY (account_id, event_id)
)
"""
FORMATS = {"binary": binary_rows, "text": text_rows}


class Copier:
    """`connections` threads share the blocks until there are none left or `seconds` are over."""

    def __init__(self, order: child.Report) -> None:
        self.url, self.connections, self.seconds = order["url"], order["connections"], order["seconds"]
        self.blocks = list(FORMATS[order["format"]](Traffic(**order["traffic"]), order["size"]))
        self.statement = f"COPY floor_event FROM STDIN (FORMAT {order['format']})"
        self.rows = 0
        self.lock = threading.Lock()

    def measure(self) -> child.Report:
        """Rows committed, and the seconds that took."""
        connections = [psycopg.connect(self.url, autocommit=True) for _ in range(self.connections)]
        connections[0].execute(TABLE)
        connections[0].execute("TRUNCATE floor_event")
        self.began = time.perf_counter()
        threads = [threading.Thread(target=self._copy, args=(one,)) for one in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - self.began
        for one in connections:
            one.close()
        return {"events": self.rows, "seconds": seconds}

    def _copy(self, connection: psycopg.Connection) -> None:
        while time.perf_counter() - self.began < self.seconds:
            with self.lock:
                if not self.blocks:
                    return
                count, block = self.blocks.pop(0)
            with connection.cursor() as cursor, cursor.copy(self.statement) as copy:
                copy.write(block)
            with self.lock:
                self.rows += count


def prepare(order: child.Report) -> Callable[[], child.Report]:
    """Format every row."""
    return Copier(order).measure


if __name__ == "__main__":
    child.serve(prepare)
