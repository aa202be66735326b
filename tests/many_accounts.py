"""Tens of thousands of accounts with subscriptions in a few seconds, written by COPY past the verbs, for billing runs."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from psycopg import Cursor

from tests.databases import Database
from tollbook.accounts.audit import SYSTEM
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.tables import FeeKind

FEES = (("seats", "Agent seats", "24.99"), ("numbers", "Phone numbers", "1.15"), ("support", "Support plan", "49.00"),
        ("recording", "Call recording", "7.50"), ("analytics", "Analytics", "19.90"))  # fmt: skip

ACCOUNT = (
    "id, slug, name, legal_name, address, country, tax_id, po_number, billing_email, currency, timezone, locale, zero_rule,"
    " overdraft_limit, anchor_on, terms_days, grace_days, is_active, created_at"
)
SUBSCRIPTION = "account_id, id, component_code, name, kind, quantity, price, starts_on, created_at, known_on"


def load(
    database: Database, count: int, anchor_on: date, lines: int = len(FEES), slug: str = "loaded",
    recorded_on: date | None = None,
) -> list[UUID]:  # fmt: skip
    """`count` accounts billed on the day of `anchor_on`, each with `lines` fees since then; answers their ids.

    They were recorded on `recorded_on`, by default on that day; runs that ended between then and now have billed them.
    Nothing is in the books yet, so the database is one for `tollbook audit`.
    """
    for code, name, price in FEES[:lines]:
        offer(code, name, FeeKind.RECURRING, Decimal(price), SYSTEM)
    ids = [new_id() for _ in range(count)]
    recorded_on = recorded_on or anchor_on
    now = datetime(recorded_on.year, recorded_on.month, recorded_on.day, tzinfo=UTC)
    accounts = [
        (id, f"{slug}-{nth}", f"Loaded {nth}", "", "1 Main Street", "US", "", "", "", "USD", "UTC", "en-us", "stop_new", 0,
         anchor_on, 14, 7, True, now)
        for nth, id in enumerate(ids)
    ]  # fmt: skip
    fees = [
        (id, new_id(), code, name, "recurring", 1 + nth % 7, price, anchor_on, now, recorded_on)
        for nth, id in enumerate(ids)
        for code, name, price in FEES[:lines]
    ]
    with database.connect("owner") as connection, connection.transaction(), connection.cursor() as cursor:
        _insert(cursor, "account", ACCOUNT, accounts)
        _insert(cursor, "subscription", SUBSCRIPTION, fees)
    with database.connect("owner") as connection:
        connection.execute("VACUUM (ANALYZE) account, subscription")
    return ids


def _insert(cursor: Cursor, table: str, columns: str, rows: Iterable[tuple]) -> None:
    """COPY, by way of a table without policies: PostgreSQL copies into none that has them, unless for a superuser."""
    cursor.execute(f"CREATE TEMP TABLE planted_{table} ON COMMIT DROP AS SELECT {columns} FROM {table} LIMIT 0")
    with cursor.copy(f"COPY planted_{table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM planted_{table}")
