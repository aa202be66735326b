"""What happened since the last look, read from the tables of the packages below. Reads only; nothing is decided here but
what counts as one thing: the key of each fact."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.alerts.levels import Crossing
from tollbook.money.amount import to_micro, to_minor
from tollbook.postgres.named import load

SQL = load(__file__)
LIMIT = 500

QUIET_STOPS = ("cooling_down", "card_busy", "account_closed")
"""Stops that are not told: the first follows a decline that was told, the second ends by itself, the third is known."""

BRIEF_STOPS = ("gateway_away", "operator_limit")
"""Stops that mostly end by themselves within minutes; told when they don't."""

FOR_STAFF = ("velocity",)
"""Stops that only a person ends: told to the operator, too."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, and its key: the same fact read twice has the same one. `data` is JSON-able, with amounts
    as text in the account's currency. `account_id` is the operator's id for what only the operator is told."""

    account_id: UUID
    kind: str
    subject: str
    crossing: str
    occurred_at: datetime
    data: dict[str, Any]


def facts(since: datetime, began: datetime) -> Iterator[list[Fact]]:
    """What happened after `since` (or goes on, and began after `began`) and was not told yet, one list per source, each of
    at most `LIMIT` of its rows."""
    window = {"since": since, "began": began, "limit": LIMIT, "operator": OPERATOR_ID}
    window |= {"quiet": list(QUIET_STOPS), "brief": list(BRIEF_STOPS)}
    yield [_refill(*row) for row in _rows("refills_finished", window)]
    yield [_refill(*row) for row in _rows("refills_waiting", window)]
    yield [fact for row in _rows("stops", window) for fact in _stop(*row)]
    yield [_invoice(*row) for row in _rows("invoices", window)]
    yield [_payment(*row) for row in _rows("payments_failed", window)]
    yield [_payment(*row) for row in _rows("payments_waiting", window)]
    yield [fact for row in _rows("disputes", window) for fact in _dispute(*row)]
    yield [_card(*row) for row in _rows("cards", window)]


def letters(began: datetime) -> Iterator[list[Fact]]:
    """Reminders of open invoices, as the operator's schedule says, and receipts of payments, as `facts`: for a look once a
    minute."""
    steps = settings.REMINDER_DAYS
    window = {"began": began, "limit": LIMIT, "steps": steps, "longest": max(map(abs, steps), default=0) + 3}
    yield [_reminder(*row) for row in _rows("reminders", window)] if steps else []
    yield [_received(*row) for row in _rows("payments_received", window)]


def low(crossing: Crossing, name: str) -> Fact:
    """The fact that a wallet fell through a level."""
    data = {
        "wallet": _wallet(crossing.type_code, name),
        "currency": crossing.currency,
        "balance": _money(crossing.balance, crossing.currency),
        "level": crossing.level,
        "threshold": _money(crossing.threshold, crossing.currency),
    }
    return Fact(
        crossing.account_id, "wallet.low", f"wallet/{crossing.wallet_id}", str(crossing.number), datetime.now(UTC), data
    )


def _refill(
    account_id: UUID, id: UUID, state: str, at: datetime, amount: Decimal, currency: str, outcome: str, automatic: bool,
    type_code: str, name: str, balance: Decimal, number: str | None, crossing: str = "",
) -> Fact:  # fmt: skip
    data = {
        "refill": str(id),
        "wallet": _wallet(type_code, name),
        "amount": _money(amount, currency),
        "currency": currency,
        "automatic": automatic,
        "balance": _money(balance, currency),
    }
    if number:
        data["invoice"] = number
    if outcome:
        data["reason"] = outcome
    unresolved = state == "unknown"
    if unresolved:
        data["account"] = _slug(account_id)
    kind = "refill.unresolved" if unresolved else f"refill.{state}"
    return Fact(OPERATOR_ID if unresolved else account_id, kind, f"refill/{id}", crossing, at, data)


def _stop(
    account_id: UUID, wallet_id: UUID, code: str, reason: str, since_at: datetime, until_at: datetime | None,
    type_code: str, name: str, currency: str, balance: Decimal,
) -> Iterator[Fact]:  # fmt: skip
    data = {
        "wallet": _wallet(type_code, name),
        "code": code,
        "reason": reason,
        "until": _instant(until_at) if until_at else None,
        "balance": _money(balance, currency),
        "currency": currency,
    }
    crossing = since_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    subject = f"wallet/{wallet_id}/{code}"
    if code in FOR_STAFF:
        yield Fact(
            OPERATOR_ID, "refill.stopped", subject, crossing, since_at, {**data, "account": _slug(account_id)}
        )
    yield Fact(account_id, "refill.stopped", subject, crossing, since_at, data)


def _invoice(
    account_id: UUID, id: UUID, number: str, kind: str, total: Decimal, currency: str, issued_on: date, due_on: date,
    issued_at: datetime, balance: Decimal,
) -> Fact:  # fmt: skip
    data = {
        "invoice": number,
        "kind": kind,
        "total": _money(total, currency),
        "open": _money(balance, currency),
        "currency": currency,
        "issued_on": issued_on.isoformat(),
        "due_on": due_on.isoformat(),
    }
    return Fact(account_id, "invoice.issued", f"invoice/{id}", "", issued_at, data)


def _reminder(
    account_id: UUID, id: UUID, number: str, total: Decimal, currency: str, issued_on: date, due_on: date, balance: Decimal,
    step: int,
) -> Fact:  # fmt: skip
    data = {
        "invoice": number,
        "total": _money(total, currency),
        "open": _money(balance, currency),
        "currency": currency,
        "issued_on": issued_on.isoformat(),
        "due_on": due_on.isoformat(),
        "step": step,
    }
    return Fact(account_id, "invoice.reminder", f"invoice/{id}", f"{due_on}/{step}", datetime.now(UTC), data)


def _received(
    account_id: UUID, id: UUID, amount: Decimal, currency: str, label: str, gateway: str, at: datetime, invoices: list[str],
) -> Fact:  # fmt: skip
    data = {
        "amount": _money(amount, currency),
        "currency": currency,
        "paid_by": label or gateway,
        "received_at": _instant(at),
        "invoices": invoices,
    }
    return Fact(account_id, "payment.received", f"payment/{id}", "", at, data)


def _payment(
    account_id: UUID, id: UUID, state: str, at: datetime, number: str, amount: Decimal, currency: str, outcome: str,
    next_on: date | None, crossing: str = "",
) -> Fact:  # fmt: skip
    data = {
        "invoice": number,
        "amount": _money(amount, currency),
        "currency": currency,
        "reason": outcome,
    }
    if state == "unknown":
        data["account"] = _slug(account_id)
        return Fact(OPERATOR_ID, "payment.unresolved", f"payment/{id}", crossing, at, data)
    if state == "action_required":
        return Fact(account_id, "payment.action_required", f"payment/{id}", "", at, data)
    data["next_on"] = next_on.isoformat() if next_on else ""
    return Fact(account_id, "payment.failed", f"payment/{id}", "", at, data)


def _dispute(
    account_id: UUID, id: UUID, state: str, at: datetime, amount: Decimal, currency: str, fee: Decimal, reference: str,
    paid_by: str,
) -> Iterator[Fact]:  # fmt: skip
    is_open = state == "open"
    data = {
        "dispute": reference,
        "amount": _money(amount, currency),
        "fee": _money(fee, currency),
        "currency": currency,
        "paid_by": paid_by,
    }
    if not is_open:
        data["result"] = state
    kind, crossing = ("dispute.opened", "") if is_open else ("dispute.closed", state)
    slug = {"account": _slug(account_id)}
    yield Fact(OPERATOR_ID, kind, f"dispute/{id}", crossing, at, data | slug)
    yield Fact(account_id, kind, f"dispute/{id}", crossing, at, data)


def _card(account_id: UUID, id: UUID, brand: str, last4: str, is_default: bool, last_on: date, step: str) -> Fact:
    data = {"card": f"{brand} •• {last4}", "default": is_default, "last_day": last_on.isoformat()}
    return Fact(account_id, "card.expiring", f"card/{id}", f"{last_on}/{step}", datetime.now(UTC), data)


def _wallet(type_code: str, name: str) -> dict[str, str]:
    return {"type": type_code, "name": name}


def _slug(account_id: UUID) -> str:
    return Account.objects.values_list("slug", flat=True).get(id=account_id)


def _money(amount: Decimal, currency: str) -> str:
    """A decimal string: at the currency's minor unit, and finer where the amount is."""
    minor = to_minor(amount, currency)
    return f"{minor if minor == amount else to_micro(amount).normalize():f}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _rows(name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values)
        return cursor.fetchall()
