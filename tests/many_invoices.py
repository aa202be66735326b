"""Tens of thousands of invoices of one account in a second or two, for measuring Invoice History.

They are written as the tables' owner, past `issue`: numbers, lines and balances are right, but nothing is in the
ledger, paid ones have no settlement and written-off ones no reduction, so this is not a database for `tollbook audit`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg

from tests.databases import Database
from tollbook.accounts.tables import Account
from tollbook.postgres.ids import new_id

TABLES = """
CREATE TEMPORARY TABLE loaded (id uuid, sequence bigint, number text, total numeric, balance numeric, written_off numeric,
                               issued_on date, due_on date, grace_until_on date)
"""
INVOICES = """
INSERT INTO invoice (account_id, id, number, seller_code, series, sequence, kind, cause, currency, subtotal, tax, total,
                     issued_on, issued_at, due_on, grace_until_on, seller, buyer, po_number, payment_note, issued_by)
SELECT %(account_id)s, id, number, 'operator', %(series)s, sequence, 'recurring', 'loaded:' || number, %(currency)s, total,
       0, total, issued_on, issued_on + time '12:00', due_on, grace_until_on, '{"name": "Tollbook"}',
       '{"name": "Loaded"}', '', '', 'tests'
FROM loaded ORDER BY sequence
"""
LINES = """
INSERT INTO invoice_line (account_id, invoice_id, position, description, detail, quantity, unit_price, amount, revenue_code)
SELECT %(account_id)s, id, 1, 'Agent seats', '', 1, total, total, 'revenue:recurring' FROM loaded ORDER BY sequence
"""
BALANCES = """
INSERT INTO open_balance (account_id, invoice_id, balance, written_off, number, sequence, total, issued_on, due_on,
                          grace_until_on)
SELECT %(account_id)s, id, balance, written_off, number, sequence, total, issued_on, due_on, grace_until_on
FROM loaded ORDER BY sequence
"""
COUNTS = (
    "DELETE FROM history_day WHERE account_id = %(account_id)s",
    "DELETE FROM history_size WHERE account_id = %(account_id)s",
    """
    INSERT INTO history_day (account_id, issued_on, block, prefix, is_open, due_on, grace_until_on, count, balance)
    SELECT account_id, issued_on, sequence / 1000, rtrim(number, '0123456789'), balance > 0,
           CASE WHEN balance > 0 THEN due_on ELSE issued_on END,
           CASE WHEN balance > 0 THEN grace_until_on ELSE issued_on END, count(*), sum(balance)
    FROM open_balance WHERE account_id = %(account_id)s GROUP BY 1, 2, 3, 4, 5, 6, 7
    """,
    """
    INSERT INTO history_size (account_id, size, month_on, is_open, count)
    SELECT account_id, size, date_trunc('month', issued_on::timestamp)::date, balance > 0, count(*)
    FROM open_balance WHERE account_id = %(account_id)s GROUP BY 1, 2, 3, 4
    """,
)
SERIES = """
INSERT INTO number_series (seller, series, last_number) VALUES ('operator', %(series)s, %(last)s)
ON CONFLICT (seller, series) DO UPDATE SET last_number = greatest(number_series.last_number, excluded.last_number)
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One invoice that was loaded. Amounts in the account's currency, with cents."""

    id: UUID
    sequence: int
    number: str
    total: Decimal
    balance: Decimal
    written_off: Decimal
    issued_on: date
    due_on: date
    grace_until_on: date


def load(
    database: Database,
    account: Account,
    count: int,
    *,
    until: date,
    open_share: float = 0.1,
    seed: int = 7,
    series: str = "INV",
    behind: int = 0,
) -> list[Loaded]:
    """Write `count` invoices with the numbers from 1 on (or `behind` another one), issued evenly over the five years before
    `until`.

    `open_share` of them have a balance, wherever they stand in time; the same seed gives the same invoices but for their
    ids. Nothing else may have been issued in this `series` before.
    """
    made = list(_invoices(account, count, until, open_share, random.Random(seed), series, behind))
    parameters = {"account_id": account.id, "currency": account.currency, "last": behind + count, "series": series}
    with database.connect("owner") as connection, connection.transaction():
        connection.execute(TABLES)
        _copy(connection, made)
        for statement in (INVOICES, LINES, BALANCES, SERIES, "DROP TABLE loaded"):
            connection.execute(statement, parameters)
        recount(connection, account.id)
    with database.connect("owner") as connection:
        connection.execute("VACUUM (ANALYZE) invoice, open_balance, history_day, history_size")
    return made


def recount(connection: psycopg.Connection, account_id: UUID) -> None:
    """Count Invoice History anew, for whoever moved invoices of an account past `issue` and `settle`."""
    for statement in COUNTS:
        connection.execute(statement, {"account_id": account_id})


def _copy(connection: psycopg.Connection, made: list[Loaded]) -> None:
    names = Loaded.__slots__
    with connection.cursor() as cursor, cursor.copy(f"COPY loaded ({', '.join(names)}) FROM STDIN") as copy:
        for one in made:
            copy.write_row([getattr(one, name) for name in names])


def _invoices(
    account: Account, count: int, until: date, open_share: float, dice: random.Random, series: str, behind: int
) -> Iterator[Loaded]:
    days = 5 * 365
    for nth in range(1, count + 1):
        sequence = behind + nth
        issued_on = until - timedelta(days=days - days * nth // count)
        due_on = issued_on + timedelta(days=account.terms_days)
        total = Decimal(dice.randrange(0 if nth % 97 == 0 else 100, 500_000)) / 100
        owed = dice.random() < open_share
        balance = total if owed and dice.random() < 0.8 else Decimal(dice.randrange(0, int(total * 100) + 1)) / 100
        yield Loaded(
            id=new_id(),
            sequence=sequence,
            number=f"{series}-{sequence:06d}",
            total=total,
            balance=balance if owed else Decimal(0),
            written_off=Decimal(0) if owed or sequence % 41 else total,
            issued_on=issued_on,
            due_on=due_on,
            grace_until_on=due_on + timedelta(days=account.grace_days),
        )
