"""Tens of thousands of accounts with subscriptions in a few seconds, written by COPY past the verbs, for billing runs."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from tests.databases import Database
from tollbook.accounts.audit import SYSTEM
from tollbook.postgres.ids import new_id
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.tables import FeeKind

FEES = (("seats", "Agent seats", "24.99"), ("numbers", "Phone numbers", "1.15"), ("support", "Support plan", "49.00"),
        ("recording", "Call recording", "7.50"), ("analytics", "Analytics", "19.90"))  # fmt: skip


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
    with database.connect("owner") as connection, connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(
            "COPY account (id, slug, name, legal_name, address, country, tax_id, po_number, billing_email, currency,"
            " timezone, locale, zero_rule, overdraft_limit, anchor_on, terms_days, grace_days, is_active, created_at)"
            " FROM STDIN"
        ) as copy:
            for nth, id in enumerate(ids):
                copy.write_row(
                    (id, f"{slug}-{nth}", f"Loaded {nth}", "", "1 Main Street", "US", "", "", "", "USD", "UTC", "en-us",
                     "stop_new", 0, anchor_on, 14, 7, True, now)
                )  # fmt: skip
        with cursor.copy(
            "COPY subscription (account_id, id, component_code, name, kind, quantity, price, starts_on, created_at,"
            " known_on)"
            " FROM STDIN"
        ) as copy:
            for nth, id in enumerate(ids):
                for code, name, price in FEES[:lines]:
                    copy.write_row((id, new_id(), code, name, "recurring", 1 + nth % 7, price, anchor_on, now, recorded_on))
    with database.connect("owner") as connection:
        connection.execute("VACUUM (ANALYZE) account, subscription")
    return ids
