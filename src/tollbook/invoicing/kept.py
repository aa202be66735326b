"""The bytes of a document as first handed out: kept, the same for ever. Invoices have a table of their own (file.py).

Statements can be asked for of any days, tens of thousands of pairs a year, and a reader could have all of them stored. So
only those are kept that belong to the calendar: a whole month or year, or a billing period, since the account was opened.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from tollbook.accounts.tables import Account
from tollbook.invoicing.tables import DocumentFile
from tollbook.money.period import period_of


def of_days(account: Account, kind: str, first_on: date, last_on: date, make: Callable[[], bytes]) -> bytes:
    """The statement of these days, kept when they are a whole month, year or billing period; else made anew each time."""
    if not _is_whole(account, first_on, last_on):
        return make()
    return once(account.id, kind, f"{first_on}..{last_on}", make)


def once(account_id: UUID, kind: str, name: str, make: Callable[[], bytes]) -> bytes:
    """What was kept of this document, or what `make` answers now, kept from now on.

    Any transaction, the portal's included; no locks. Of two first askers at once both may make it; both answer the bytes of
    the one that came first.
    """
    content = _kept(account_id, kind, name)
    if content is None:
        _keep(account_id, kind, name, make())
        content = _kept(account_id, kind, name)
    assert content is not None, "the row was inserted, by us or by the transaction that we waited for"
    return content


def _is_whole(account: Account, first_on: date, last_on: date) -> bool:
    if not timedelta(0) <= last_on - first_on <= timedelta(days=366):
        return False
    if last_on < account.created_at.astimezone(ZoneInfo(account.timezone)).date():
        return False
    following = last_on + timedelta(days=1)
    is_month = first_on.day == following.day == 1 and timedelta(27) <= last_on - first_on <= timedelta(30)
    is_year = (first_on.month, first_on.day) == (following.month, following.day) == (1, 1) and first_on.year == last_on.year
    period = period_of(account.anchor_on, first_on)
    return is_month or is_year or (period.start_on, period.end_on) == (first_on, last_on)


def _kept(account_id: UUID, kind: str, name: str) -> bytes | None:
    rows = DocumentFile.objects.filter(account_id=account_id, kind=kind, name=name)
    content = rows.values_list("content", flat=True).first()
    return None if content is None else bytes(content)


def _keep(account_id: UUID, kind: str, name: str, content: bytes) -> None:
    row = DocumentFile(
        account_id=account_id,
        kind=kind,
        name=name,
        sha256=hashlib.sha256(content).digest(),
        content=content,
        typeset_at=datetime.now(UTC),
    )
    DocumentFile.objects.bulk_create([row], ignore_conflicts=True)
