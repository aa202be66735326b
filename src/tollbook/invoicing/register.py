"""The invoices of all accounts, newest first: for the operator's staff. Reads only; not for the portal's role."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection

from tollbook.accounts.tables import Account
from tollbook.invoicing.history import Filter
from tollbook.invoicing.status import Status, condition, status_of

LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Registered:
    """One invoice and whose it is. Amounts in the account's currency; the status is of the account's local day."""

    account: Account
    number: str
    sequence: int
    total: Decimal
    balance: Decimal
    issued_on: date
    due_on: date
    status: Status


def newest(
    wanted: Filter, account: Account | None = None, before: int | None = None, limit: int = 50
) -> list[Registered]:
    """Up to `limit` invoices of one account or of all, the highest number first, below the sequence `before`.

    Each account's part is a walk down its own index, so that no account's size is another one's wait.
    """
    parameters = {
        "only": account and account.id,
        "before": before,
        "limit": min(limit, LARGEST_PAGE),
        "issued_from": wanted.issued_from,
        "issued_until": wanted.issued_until,
        "number": wanted.number.strip().upper(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_statement(wanted), parameters)
        found = cursor.fetchall()
    accounts = Account.objects.in_bulk({row[0] for row in found})
    return [_registered(accounts[account_id], *rest) for account_id, *rest in found]


def _statement(wanted: Filter) -> str:
    """Put together from fixed pieces; what people typed travels as parameters."""
    chosen = f"({condition(sorted(wanted.statuses), 'local.today')})" if wanted.statuses else "TRUE"
    return f"""
        SELECT account.id, part.number, part.sequence, part.total, part.balance, part.written_off, part.issued_on,
            part.due_on, part.grace_until_on, local.today
        FROM account
        CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE account.timezone)::date AS today) AS local
        CROSS JOIN LATERAL (
            SELECT * FROM open_balance
            WHERE account_id = account.id
              AND (%(before)s::bigint IS NULL OR sequence < %(before)s::bigint)
              AND (%(issued_from)s::date IS NULL OR issued_on >= %(issued_from)s::date)
              AND (%(issued_until)s::date IS NULL OR issued_on <= %(issued_until)s::date)
              AND (%(number)s = '' OR strpos(number, %(number)s) > 0)
              AND {chosen}
            ORDER BY sequence DESC LIMIT %(limit)s
        ) AS part
        WHERE %(only)s::uuid IS NULL OR account.id = %(only)s::uuid
        ORDER BY part.sequence DESC, account.id LIMIT %(limit)s
    """


def _registered(account: Account, *row: Any) -> Registered:
    number, sequence, total, balance, written_off, issued_on, due_on, grace_until_on, today = row
    status = status_of(balance, written_off, due_on, grace_until_on, today)
    return Registered(account, number, sequence, total, balance, issued_on, due_on, status)
