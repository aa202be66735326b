"""A notice and its deliveries, written in one transaction; and one look at everything that may have to be told.

Nothing here talks to a network. Looks may overlap, be killed and be repeated: the keys of `alert_notice` and
`alert_delivery` decide that a thing is told once to each.
"""

import json
import logging
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.alerts import endpoint, levels, people
from tollbook.alerts.observe import LIMIT, Fact, facts, letters, low
from tollbook.alerts.tables import Channel
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating.tables import CreditType

SQL = load(__file__)
log = logging.getLogger(__name__)

AGAIN = timedelta(hours=1)
"""Each look reads this much again: a row may become visible later than the time it carries. Longer than a transaction."""


def look(stop: Event | None = None) -> int:
    """Write a notice about everything that happened and was not told; answers how many. Safe beside others
    doing the same."""
    stop = stop or Event()
    began, since, now = _cursor()
    told, whole = _low_wallets(stop), True
    for found in facts(since, began):
        for fact in found:
            if stop.is_set():
                return told
            told += _told(fact)
        whole = whole and len(found) < LIMIT
    if whole:
        _move(now)
    return told


def write_letters(stop: Event | None = None) -> int:
    """The same of reminders and receipts, which may wait a minute."""
    began, told = _cursor()[0], 0
    for found in letters(began):
        for fact in found:
            if stop is not None and stop.is_set():
                return told
            told += _told(fact)
    return told


def tell(fact: Fact) -> UUID | None:
    """Write the notice and a delivery for each recipient, in the caller's transaction; None when it was written before."""
    notice_id = new_id()
    with connection.cursor() as cursor:
        cursor.execute(SQL["notice"], _values(fact) | {"id": notice_id})
        if cursor.fetchone() is None:
            return None
    hooks = endpoint.wanting(fact.account_id, fact.kind)
    on = [(Channel.WEBHOOK, str(one.id)) for one in hooks if one.is_on]
    off = [(Channel.WEBHOOK, str(one.id)) for one in hooks if not one.is_on]
    deliver_to(fact.account_id, notice_id, [(Channel.MAIL, address) for address in _addresses(fact)] + on)
    deliver_to(fact.account_id, notice_id, off, missed="The endpoint was switched off.")
    return notice_id


def deliver_to(account_id: UUID, notice_id: UUID, recipients: list[tuple[Channel, str]], missed: str = "") -> None:
    """A delivery for each of these, in the caller's transaction; one that is there already stays as it is. `missed`: why
    nothing is sent, so that they only stand in the log and can be sent from there."""
    if not recipients:
        return
    channels = [channel.value for channel, _ in recipients]
    values = {"ids": [new_id() for _ in recipients], "channels": channels, "recipients": [one for _, one in recipients]}
    with connection.cursor() as cursor:
        cursor.execute(SQL["deliveries"], {"account_id": account_id, "notice_id": notice_id, "missed": missed} | values)


def _told(fact: Fact) -> int:
    """One fact in a transaction of its own; what fails for one is logged and keeps no other from being told."""
    try:
        return in_transaction(lambda: tell(fact)) is not None
    except OperationalError:
        raise  # the database is away: the next look reads again
    except Exception:
        log.exception("alerts: %s of %s could not be told", fact.kind, fact.subject)
        return 0


def _low_wallets(stop: Event) -> int:
    told = 0
    names = dict(CreditType.objects.values_list("code", "name"))
    for account_id, wallet_id in levels.changed():
        if stop.is_set():
            break
        told += in_transaction(lambda: _crossed(account_id, wallet_id, names))  # noqa: B023 (runs at once)
    return told


def _crossed(account_id: UUID, wallet_id: UUID, names: dict[str, str]) -> int:
    crossing = levels.cross(account_id, wallet_id)
    return crossing is not None and tell(low(crossing, names[crossing.type_code])) is not None


def _addresses(fact: Fact) -> list[str]:
    account = None if fact.account_id == OPERATOR_ID else Account.objects.get(id=fact.account_id)
    told = people.addresses(account, fact.kind)
    if fact.kind != "invoice.issued" or fact.data["kind"] != "refill":
        return told
    of_refill = {address.lower() for address in people.addresses(account, "refill.succeeded")}
    return [address for address in told if address.lower() not in of_refill]  # that mail names its invoice


def _values(fact: Fact) -> dict[str, Any]:
    return {
        "account_id": fact.account_id,
        "kind": fact.kind,
        "subject": fact.subject,
        "crossing": fact.crossing,
        "occurred_at": fact.occurred_at,
        "data": json.dumps(fact.data),
    }


def _cursor() -> tuple[datetime, datetime, datetime]:
    """When looking began, from when to read now, and the time."""
    in_transaction(_begin)
    with connection.cursor() as cursor:
        cursor.execute(SQL["cursor"], {"again": AGAIN})
        return cursor.fetchone()


def _begin() -> None:
    """The first look takes low wallets as known."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["begin"])
        if cursor.rowcount:
            levels.remember_all()


def _move(until: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SQL["move"], {"until": until})
