"""An account's statement for a period: what each wallet held before, what came and went day by day, what it holds after.

From the books alone. Usage is what its day's balances and all other movements leave, so that a statement adds up by itself
and costs a few look-ups a day, however many debits there were; that the debits add up to the same, `tollbook audit`
proves from the chain.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.money.amount import ZERO
from tollbook.postgres.named import load

SQL = load(__file__)
MOST_DAYS = 1_100
EARLIEST, LATEST = date(1970, 1, 2), date(9999, 12, 29)
A_DAY = timedelta(days=1)
USAGE, REVERSAL, REFILL = "usage", "reversal", "refill"


@dataclass(frozen=True, slots=True)
class Line:
    """One movement, or all usage or all corrections of usage of a day. `amount` > 0 came in; `balance` at the day's end."""

    on: date
    kind: str
    description: str
    reference: str
    actor: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """One wallet: opening balance, lines in order of days, closing balance. Amounts in its currency, 6 places."""

    type_code: str
    name: str
    opening: Decimal
    lines: list[Line]
    closing: Decimal

    def total(self, *kinds: str) -> Decimal:
        """What the lines of these kinds add up to."""
        return sum((line.amount for line in self.lines if line.kind in kinds), ZERO)

    @property
    def others(self) -> Decimal:
        """What adjustments, promotional credit and whatever else is neither refill nor usage add up to."""
        return self.closing - self.opening - self.total(USAGE, REVERSAL, REFILL)


@dataclass(frozen=True, slots=True)
class Statement:
    """All wallets of an account, in the order of the types, from the first to the last day, both included."""

    first_on: date
    last_on: date
    parts: list[Part]


def statement_of(account: Account, first_on: date, last_on: date) -> Statement:
    """The statement of these local days. One query, one snapshot. Raises Invalid for days that are none or too many."""
    if not EARLIEST <= first_on <= last_on <= LATEST:
        raise Invalid("The last day lies before the first, or out of all reason.", field="to")
    count = (last_on - first_on).days + 1
    if count > MOST_DAYS:
        raise Invalid(f"A statement covers at most {MOST_DAYS:,} days.", field="from")
    days = [first_on + A_DAY * number for number in range(count)]
    edges = [_start(on, account.timezone) for on in [*days, last_on + A_DAY]]
    with connection.cursor() as cursor:
        cursor.execute(SQL["statement"], {"account_id": account.id, "edges": edges})
        rows = cursor.fetchall()
    names: dict[UUID, tuple[str, str]] = {}
    balances: dict[tuple[UUID, int], Decimal] = {}
    moves: dict[tuple[UUID, int], list[tuple[str, str, str, str, Decimal]]] = {}
    for wallet_id, type_code, name, place, kind, description, reference, actor, amount in rows:
        names[wallet_id] = (type_code, name)
        if kind == "balance":
            balances[wallet_id, place] = amount
        else:
            moves.setdefault((wallet_id, place), []).append((kind, description, reference, actor, amount))
    parts = []
    for wallet_id, told in names.items():
        lines: list[Line] = []
        for place, on in enumerate(days, 1):
            before, after = balances[wallet_id, place], balances[wallet_id, place + 1]
            moved = moves.get((wallet_id, place), [])
            used = after - before - sum((move[-1] for move in moved), ZERO)
            if used:
                moved = [*moved, (USAGE, "", "", "", used)]
            lines += [Line(on, *move, after) for move in moved]
        parts.append(Part(*told, balances[wallet_id, 1], lines, balances[wallet_id, count + 1]))
    return Statement(first_on, last_on, parts)


def _start(on: date, timezone: str) -> datetime:
    return datetime.combine(on, time(), ZoneInfo(timezone)).astimezone(UTC)
