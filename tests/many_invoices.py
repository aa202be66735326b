"""Tens of thousands of invoices of one account in a second or two, for measuring Invoice History.

They are written as the tables' owner, past `issue`: numbers, lines and balances are right, but nothing is in the
ledger and paid ones have no settlement, so this is not a database for `tollbook audit`.
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
CREATE TEMPORARY TABLE loaded (id uuid, sequence bigint, number text, total numeric, balance numeric,
                               issued_on date, due_on date, grace_until_on date)
"""
INVOICES = """
INSERT INTO invoice (account_id, id, number, seller_code, series, sequence, kind, cause, currency, subtotal, tax, total,
                     issued_on, issued_at, due_on, grace_until_on, seller, buyer, po_number, payment_note, issued_by)
SELECT %(account_id)s, id, number, 'operator', 'INV', sequence, 'recurring', 'loaded:' || number, %(currency)s, total, 0,
       total, issued_on, issued_on + time '12:00', due_on, grace_until_on, '{"name": "Tollbook"}',
       '{"name": "Loaded"}', '', '', 'tests'
FROM loaded ORDER BY sequence
"""
LINES = """
INSERT INTO invoice_line (account_id, invoice_id, position, description, detail, quantity, unit_price, amount, revenue_code)
SELECT %(account_id)s, id, 1, 'Agent seats', '', 1, total, total, 'revenue:recurring' FROM loaded ORDER BY sequence
"""
BALANCES = """
INSERT INTO open_balance (account_id, invoice_id, balance, number, sequence, total, issued_on, due_on, grace_until_on)
SELECT %(account_id)s, id, balance, number, sequence, total, issued_on, due_on, grace_until_on
FROM loaded ORDER BY sequence
"""
SERIES = """
INSERT INTO number_series (seller, series, last_number) VALUES ('operator', 'INV', %(last)s)
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
    issued_on: date
    due_on: date
    grace_until_on: date


def load(
    database: Database, account: Account, count: int, *, until: date, open_share: float = 0.1, seed: int = 7
) -> list[Loaded]:
    """Write `count` invoices with the numbers from 1 on, issued evenly over the five years before `until`.

    `open_share` of them have a balance, wherever they stand in time; the same seed gives the same invoices but for their
    ids. Nothing else may have been issued in this database before.
    """
    made = list(_invoices(account, count, until, open_share, random.Random(seed)))
    parameters = {"account_id": account.id, "currency": account.currency, "last": count}
    with database.connect("owner") as connection, connection.transaction():
        connection.execute(TABLES)
        _copy(connection, made)
        for statement in (INVOICES, LINES, BALANCES, SERIES, "DROP TABLE loaded"):
            connection.execute(statement, parameters)
    with database.connect("owner") as connection:
        connection.execute("VACUUM (ANALYZE) invoice, open_balance")
    return made


def _copy(connection: psycopg.Connection, made: list[Loaded]) -> None:
    names = Loaded.__slots__
    with connection.cursor() as cursor, cursor.copy(f"COPY loaded ({', '.join(names)}) FROM STDIN") as copy:
        for one in made:
            copy.write_row([getattr(one, name) for name in names])


def _invoices(account: Account, count: int, until: date, open_share: float, dice: random.Random) -> Iterator[Loaded]:
    days = 5 * 365
    for sequence in range(1, count + 1):
        issued_on = until - timedelta(days=days - days * sequence // count)
        due_on = issued_on + timedelta(days=account.terms_days)
        total = Decimal(dice.randrange(0 if sequence % 97 == 0 else 100, 500_000)) / 100
        owed = dice.random() < open_share
        balance = total if owed and dice.random() < 0.8 else Decimal(dice.randrange(0, int(total * 100) + 1)) / 100
        yield Loaded(
            id=new_id(),
            sequence=sequence,
            number=f"INV-{sequence:06d}",
            total=total,
            balance=balance if owed else Decimal(0),
            issued_on=issued_on,
            due_on=due_on,
            grace_until_on=due_on + timedelta(days=account.grace_days),
        )
