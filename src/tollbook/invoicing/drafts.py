"""Invoices to be: composed by staff or by a billing run that waits for review, looked at, then issued or discarded.

A draft of a run is a promise of nothing: when it is issued, what is due is computed anew, and only if it still is what was
looked at does it become an invoice. Runs bring drafts up to date at any time, and rules of tax change: so a decision names
what was `seen`. What a person discards is drafted again only when it has changed.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from hashlib import sha256
from threading import Event
from typing import Any
from uuid import UUID

import msgspec
from django.db import DatabaseError, OperationalError

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM, Actor, note
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid, NotFound, Refused
from tollbook.invoicing import run
from tollbook.invoicing.issue import Draft, DraftLine, issue, taxed
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.tables import DraftInvoice, DraftState, Invoice, InvoiceKind
from tollbook.invoicing.tax import Sums
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction

ONE_OFF = "revenue:one_off"
log = logging.getLogger(__name__)


def compose(account: Account, lines: Sequence[DraftLine], actor: Actor, id: UUID, **more: Any) -> DraftInvoice:
    """Keep a one-off invoice as a draft; the same `id` again answers the draft there is. `more` as in `Draft`.

    Own transaction; as engine. Raises Invalid for lines that can't be printed.
    """
    return in_transaction(lambda: _compose(account, lines, actor, id, more))


def opened(account_id: UUID, id: UUID) -> DraftInvoice:
    """The account's draft. Raises NotFound."""
    found = DraftInvoice.objects.filter(account_id=account_id, id=id).first()
    if found is None:
        raise NotFound("There is no such draft.")
    return found


def waiting(account_ids: Sequence[UUID], limit: int = 200) -> list[DraftInvoice]:
    """Drafts of these accounts that wait for a person, the oldest first."""
    mine = DraftInvoice.objects.filter(account_id__in=account_ids, state=DraftState.OPEN)
    return list(mine.order_by("drafted_at", "id")[:limit])


def of_account(account_id: UUID, after: UUID | None = None, limit: int = 100) -> list[DraftInvoice]:
    """Up to `limit` of the account's drafts that wait for a person, by their ids, which are made in order of time."""
    mine = DraftInvoice.objects.filter(account_id=account_id, state=DraftState.OPEN)
    return list((mine.filter(id__gt=after) if after else mine).order_by("id")[:limit])


def content_of(draft: DraftInvoice) -> Draft:
    """What would be printed."""
    return msgspec.convert(draft.content, Draft, strict=False)


def sums_of(account: Account, draft: DraftInvoice) -> Sums:
    """What it comes to when it is issued today, with today's rules of tax."""
    return taxed(account, replace(content_of(draft), issued_on=today_in(account)))


def seen(account: Account, draft: DraftInvoice, sums: Sums) -> str:
    """Names what somebody sees who looks at the draft now: its content, the day it would bear, its sums with tax."""
    taxes = [[category, f"{rate:f}", label, f"{share.tax:f}"] for (category, rate, label), share in sums.taxes.items()]
    shown = [str(draft.id), content_seen(draft), today_in(account).isoformat(), f"{sums.total:f}", taxes]
    return sha256(msgspec.json.encode(shown)).hexdigest()


def content_seen(draft: DraftInvoice) -> str:
    """The same without day and tax: whatever changes the content of a draft moves `drafted_at`."""
    return draft.drafted_at.isoformat()


def accept(account: Account, id: UUID, actor: Actor, saw: str) -> Invoice:
    """Issue a draft, dated today, if it is what was looked at: `saw` is what `seen` said then.

    Own transaction; as engine. Locks the account's row, then as `issue`. Raises NotFound; Conflict when it was decided
    before, or when the draft, its tax or what is due is not what was looked at any more: then the draft shows what is.
    """
    made = in_transaction(lambda: _accept(account, id, actor, saw))
    if made is None:
        raise Conflict("What is due has changed since this was drafted; the draft shows it now. Look at it again.")
    return made


def discard(account: Account, id: UUID, actor: Actor, saw: str) -> None:
    """Put a draft away, if it is what was looked at: `saw` is what `content_seen` said then. Its charges stay due.

    Own transaction; as engine. Locks the account's row. Raises NotFound, Conflict as `accept`.
    """
    in_transaction(lambda: _discard(account, id, actor, saw))


@dataclass(slots=True)
class Drafted:
    """How many drafts are new, and the accounts (by slug) that none could be made for."""

    made: int = 0
    failed: list[str] = field(default_factory=list)


def draft_due(stop: Event | None = None) -> int:
    """As `draft_all`; answers how many drafts are new."""
    return draft_all(stop).made


def draft_all(stop: Event | None = None) -> Drafted:
    """For review: draft all that is due in every active account, and drop drafts of what is due no more.

    A transaction for each account; locks its row. Safe to repeat, and side by side. What can't be done for one account is
    left to it alone, and logged.
    """
    done = Drafted()
    for account in Account.objects.filter(is_active=True).order_by("id"):
        if stop and stop.is_set():
            break
        try:
            done.made += in_transaction(partial(_draft_due, account))
        except OperationalError:
            raise
        except (Refused, DatabaseError):
            log.exception("drafting failed", extra={"account": account.slug})
            done.failed.append(account.slug)
    return done


def _compose(
    account: Account, lines: Sequence[DraftLine], actor: Actor, id: UUID, more: dict[str, Any]
) -> DraftInvoice:
    known = DraftInvoice.objects.filter(account_id=account.id, id=id).first()
    if known is not None:
        return known
    draft = Draft(InvoiceKind.ONE_OFF, f"draft:{id}", today_in(account), lines, actor=actor.name, **more)
    made = _keep(account, draft, actor.name, id)
    note(account.id, actor, "draft.compose", f"draft/{id}", after={"total": str(made.total)})
    return made


def _keep(account: Account, draft: Draft, by: str, id: UUID | None = None) -> DraftInvoice:
    return DraftInvoice.objects.create(
        account_id=account.id,
        id=id or new_id(),
        kind=draft.kind,
        cause=draft.cause,
        currency=account.currency,
        total=taxed(account, draft).total,
        content=msgspec.to_builtins(draft),
        drafted_by=by,
        drafted_at=datetime.now(UTC),
    )


def _accept(account: Account, id: UUID, actor: Actor, saw: str) -> Invoice | None:
    draft = _locked(account, id)
    _must_be(seen(account, draft, sums_of(account, draft)), saw)
    day = today_in(account)
    wanted = _dated(content_of(draft), day, actor)
    if draft.kind == InvoiceKind.RECURRING:
        now = next((one for one in _due(account, day) if one.cause == draft.cause), None)
        if now is None or _lines(now) != _lines(wanted):
            _refresh(account, draft, now)
            return None
    invoice = issue(account, wanted)
    _decide(account, draft, DraftState.ISSUED, actor, invoice.total, invoice.id)
    return invoice


def _discard(account: Account, id: UUID, actor: Actor, saw: str) -> None:
    draft = _locked(account, id)
    _must_be(content_seen(draft), saw)
    _decide(account, draft, DraftState.DISCARDED, actor, draft.total)


def _decide(
    account: Account, draft: DraftInvoice, state: DraftState, actor: Actor, total: Decimal, invoice_id: UUID | None = None
) -> None:
    values = {"state": state, "decided_by": actor.name, "decided_at": datetime.now(UTC), "invoice_id": invoice_id}
    DraftInvoice.objects.filter(account_id=account.id, id=draft.id).update(**values)
    note(account.id, actor, f"draft.{state}", f"draft/{draft.id}", after={"total": str(total)})


def _must_be(now: str, saw: str) -> None:
    if now != saw:
        raise Conflict("This draft, its tax or its day has changed since you looked at it. Look at it again.")


def _locked(account: Account, id: UUID) -> DraftInvoice:
    """The draft, open, its account's row locked."""
    lock_settlements(account.id)
    found = opened(account.id, id)
    if found.state != DraftState.OPEN:
        raise Conflict("This draft was decided before.")
    return found


def _draft_due(account: Account) -> int:
    lock_settlements(account.id)
    mine = DraftInvoice.objects.filter(account_id=account.id, kind=InvoiceKind.RECURRING)
    open_ones = {draft.cause: draft for draft in mine.filter(state=DraftState.OPEN)}
    by_people = mine.filter(state=DraftState.DISCARDED).exclude(decided_by=SYSTEM.name)
    put_away = [_lines(content_of(draft)) for draft in by_people]
    made = 0
    for wanted in _due(account, today_in(account)):
        known = open_ones.pop(wanted.cause, None)
        if known is None and _lines(wanted) not in put_away:
            _keep(account, wanted, SYSTEM.name)
            made += 1
        elif known is not None and _is_other(account, known, wanted):
            _refresh(account, known, wanted)
    for gone in open_ones.values():
        _refresh(account, gone, None)
    return made


def _is_other(account: Account, known: DraftInvoice, wanted: Draft) -> bool:
    return _lines(content_of(known)) != _lines(wanted) or known.total != taxed(account, wanted).total


def _refresh(account: Account, draft: DraftInvoice, now: Draft | None) -> None:
    """Show what is due now; a draft of what is due no more is put away, and drafted again when it is due again."""
    mine = DraftInvoice.objects.filter(account_id=account.id, id=draft.id)
    if now is None:
        mine.update(state=DraftState.DISCARDED, decided_by=SYSTEM.name, decided_at=datetime.now(UTC))
    else:
        mine.update(content=msgspec.to_builtins(now), total=taxed(account, now).total, drafted_at=datetime.now(UTC))


def _due(account: Account, day: date) -> list[Draft]:
    return [paper.draft for paper in run.find([account], {account.id: day}).papers]


def _dated(draft: Draft, day: date, actor: Actor) -> Draft:
    if draft.due_on and draft.due_on < day:
        raise Invalid("Its due date is over: compose it anew.", field="due_on")
    return replace(draft, issued_on=day, actor=actor.name)


def _lines(draft: Draft) -> list[tuple[str, str, str]]:
    """What two drafts must have in common to be the same to whoever looks at them."""
    return [(line.cause, line.description, f"{line.amount:f}") for line in draft.lines]
