"""Corrections: an event that takes back another one, wholly or in part, once.

A reversal is an event of its own with its own id, deduplicated for ever as every event. Its quantity, billed quantity and
cost are negative: what its original (less what was taken back before) costs, less what the quantity that remains would
have cost at the original's rate. So an original and its reversals together always cost what their sum would have cost, a
call of 61 s corrected to 31 s what one of 31 s would have; and all of it taken back, nothing, fee included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

import numpy as np
from django.db import connection

from tollbook.accounts.audit import Actor, note
from tollbook.errors import TryLater
from tollbook.ledger.chain import digest_of_details
from tollbook.money.amount import MICRO, ZERO
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating import country
from tollbook.rating.deck import terms_of
from tollbook.rating.price import Terms, price
from tollbook.rating.tables import CreditType, Rate
from tollbook.usage.event import Fault, fault_of_time, microseconds
from tollbook.usage.owed import packed
from tollbook.usage.record import KNOWN, NEW, REJECTED, quarter_of
from tollbook.usage.tables import UsageArchived, UsageEvent, UsageReversal, UsageTold
from tollbook.wallets.give_back import GiveBack, give_back
from tollbook.wallets.wallet import code_of, lock

SQL = load(__file__)
LONGEST_REASON = 300
MOST_OF_ONE = 1_000
"""How many reversals one event may have."""

ARCHIVED = Fault("archived_original", "The original is in the archive; ask the operator for an adjustment.")
_ATTEMPTS = 5
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Reversal:
    """A correction as its sender tells it. `id` is the sender's own, of the reversal; `reverses` the original's.

    `quantity` is what to take back, in the original's unit; None takes all that is left of it. `type`, when told, must be
    the original's. `actor` is who asked for it.
    """

    id: str
    reverses: str
    occurred_at: datetime
    quantity: Decimal | None = None
    type: str = ""
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Reversed:
    """What became of a reversal: NEW, KNOWN (told before; nothing done) or REJECTED with a code and a sentence.

    `cost` is what was given back now (0 or more), in the account's currency, 6 places.
    """

    state: int
    code: str = ""
    message: str = ""
    cost: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a reversal takes back: each 0 or less; quantities in the type's unit, cost in the account's currency."""

    quantity: Decimal
    billed: Decimal
    cost: Decimal


class _Stale(Exception):
    """What was read is not so any more: roll back and look again."""


def reverse_many(account_id: UUID, reversals: Sequence[Reversal], oldest: timedelta | None = None) -> list[Reversed]:
    """As `reverse`, for several, one after the other, each in a transaction of its own."""
    return [reverse(account_id, one, oldest) for one in reversals]


def reverse(account_id: UUID, asked: Reversal, oldest: timedelta | None = None, by: Actor | None = None) -> Reversed:
    """Take an event back. Exactly once by (account, id); at most the whole original, however many ids are used.

    Own transaction; audited when `by` is given, the person who does it. Locks: the keys of the event and of its place
    among the original's reversals, the wallet, roll-ups.
    Rejections: `unknown_original`, `archived_original`, `already_reversed`, `nothing_to_reverse`, `more_than_left`,
    `not_an_original` (a reversal can't be reversed), `too_many_reversals`, `wrong_type`, `event_conflict`, and those of
    events (`oldest` is how long ago a reversal may have occurred; its original may be of any age).
    """
    for _ in range(_ATTEMPTS):
        try:
            return in_transaction(partial(_reverse, account_id, asked, oldest, by))
        except _Stale:
            continue
    raise TryLater("This event is being corrected by others; send this again in a moment.")


def preview(account_id: UUID, reverses: str, quantity: Decimal | None = None) -> Amounts | Fault:
    """What a reversal of this event would take back now, or why it can't be. Reads only."""
    original = _original(account_id, reverses)
    return original if isinstance(original, Fault) else _amounts(original, quantity)[1]


def _reverse(account_id: UUID, asked: Reversal, oldest: timedelta | None, by: Actor | None) -> Reversed:
    told_before = _told_before(account_id, asked)
    if told_before:
        return told_before
    fault = _fault_of(asked, oldest)
    if fault:
        return _rejected(fault)
    original = _original(account_id, asked.reverses)
    if isinstance(original, Fault):
        return _rejected(original)
    place, amounts = _amounts(original, asked.quantity)
    fault = _fault_against(asked, original)
    if fault:
        return _rejected(fault)
    if isinstance(amounts, Fault):
        return _rejected(amounts)
    _write(asked, original, place, amounts)
    if by is not None:
        after = {"event": asked.id, "quantity": str(amounts.quantity), "cost": str(amounts.cost)}
        before = {"event": asked.reverses}
        target = f"wallet/{original.type_code}"
        note(account_id, by, "event.reverse", target, before=before, after=after, reason=asked.reason)
    return Reversed(NEW, cost=-amounts.cost)


def _told_before(account_id: UUID, asked: Reversal) -> Reversed | None:
    """Whether this id is known: the same reversal is a repetition, anything else a conflict."""
    conflict = Fault("event_conflict", "This id was used before for an event with another body.")
    known = (
        UsageReversal.objects.filter(account_id=account_id, event_id=asked.id).first() if _is_text(asked.id) else None
    )
    if known is not None:
        event = UsageEvent.objects.filter(account_id=account_id, event_id=asked.id).first()
        same_time = event is None or event.occurred_at == asked.occurred_at
        same = (known.reverses_id, known.asked_quantity) == (asked.reverses, asked.quantity) and same_time
        return Reversed(KNOWN) if same else _rejected(conflict)
    mine = {"account_id": account_id, "event_id": asked.id}
    if _is_text(asked.id) and any(table.objects.filter(**mine).exists() for table in (UsageEvent, UsageArchived)):
        return _rejected(conflict)
    return None


def _fault_of(asked: Reversal, oldest: timedelta | None) -> Fault | None:
    """What is wrong with a reversal whatever its original is."""
    if not 1 <= len(asked.id) <= 200 or not _is_text(asked.id):
        return Fault("bad_id", "The id must have 1 to 200 printable characters.")
    if len(asked.reason) > LONGEST_REASON or not asked.reason.isprintable():
        return Fault("bad_reason", f"The reason is printable text of at most {LONGEST_REASON} characters.")
    if asked.quantity is not None and not _is_quantity(asked.quantity):
        return Fault("bad_quantity", "The quantity to take back is above zero and has at most 6 decimal places.")
    return fault_of_time(asked.occurred_at, datetime.now(UTC), oldest)


def _fault_against(asked: Reversal, original: UsageEvent) -> Fault | None:
    if asked.type and asked.type != original.type_code:
        return Fault("wrong_type", f"The original is of type “{original.type_code}”.")
    if asked.occurred_at < original.occurred_at:
        return Fault("bad_time", "A reversal can't have occurred before its original.")
    return None


def _original(account_id: UUID, reverses: str) -> UsageEvent | Fault:
    """The event to be taken back, or why it can't be."""
    mine = {"account_id": account_id, "event_id": reverses}
    found = UsageEvent.objects.filter(**mine).first() if _is_text(reverses) else None
    if found is not None:
        return found
    if _is_text(reverses) and UsageArchived.objects.filter(**mine).exists():
        return ARCHIVED
    return Fault("unknown_original", f"There is no event “{reverses[:200]}” in this account.")


def _amounts(original: UsageEvent, quantity: Decimal | None) -> tuple[int, Amounts | Fault]:
    """The place of the next reversal of this event, and what it takes back, or why it can't be."""
    if original.quantity < 0:
        return 0, Fault("not_an_original", "This event is a reversal itself; send the usage again under a new id.")
    with connection.cursor() as cursor:
        keys = {"account_id": original.account_id, "reverses_id": original.event_id}
        cursor.execute(SQL["left"], keys)
        count, archived, *taken = cursor.fetchone()
    if archived:
        return 0, ARCHIVED
    left = Amounts(original.quantity + taken[0], original.billed_quantity + taken[1], original.cost + taken[2])
    if left.quantity <= 0:
        if count:
            return 0, Fault("already_reversed", "All of this event was taken back before.")
        return 0, Fault("nothing_to_reverse", "This event has a quantity of zero.")
    if count >= MOST_OF_ONE:
        return 0, Fault("too_many_reversals", "This event has too many reversals; ask for an adjustment.")
    back = left.quantity if quantity is None else quantity
    if back > left.quantity:
        return 0, Fault("more_than_left", f"Only {left.quantity.normalize():f} of this event is left to take back.")
    remains = price(_terms(original), left.quantity - back)
    return count + 1, Amounts(-back, remains.billed - left.billed, remains.cost - left.cost)


def _terms(original: UsageEvent) -> Terms:
    told = UsageTold.objects.values("rate_account_id").get(account_id=original.account_id, event_id=original.event_id)
    unit = CreditType.objects.values_list("unit", flat=True).get(code=original.type_code)
    return terms_of(Rate.objects.get(account_id=told["rate_account_id"], id=original.rate_id), unit)


def _write(asked: Reversal, original: UsageEvent, place: int, amounts: Amounts) -> None:
    account_id, transfer_id = original.account_id, new_id()
    values = {
        "account_id": account_id, "event_id": asked.id, "reverses_id": asked.reverses, "place": place,
        "transfer_id": transfer_id, "occurred_at": asked.occurred_at, "quantity": amounts.quantity,
        "billed": amounts.billed, "cost": amounts.cost, "type_code": original.type_code,
        "quarter_at": quarter_of(asked.occurred_at), "asked_quantity": asked.quantity, "reason": asked.reason,
        "actor": asked.actor[:254], "event_ids": [asked.id, asked.reverses], "packed": _packed(asked, original, amounts),
    }  # fmt: skip
    with connection.cursor() as cursor:
        for statement in ("insert_event", "insert_reversal"):
            cursor.execute(SQL[statement], values)
            if cursor.rowcount != 1:
                raise _Stale
        cursor.execute(SQL["archived"], values)
        if cursor.fetchone():
            raise _Stale
        _give_back(asked, original, transfer_id, amounts)
        cursor.execute(SQL["add_to_sums"], values)
        cursor.execute(SQL["add_to_backlog"], values)
    wake.tell(account_id)


def _packed(asked: Reversal, original: UsageEvent, amounts: Amounts) -> bytes:
    micro = (amounts.quantity, amounts.billed, amounts.cost)
    return packed(
        np.array([microseconds(asked.occurred_at)]),
        np.array([original.campaign_id]),
        np.array([original.agent_id]),
        country.places_of([original.to]),
        tuple(np.array([int(figure * _MILLION)]) for figure in micro),  # type: ignore[arg-type]
    )


def _give_back(asked: Reversal, original: UsageEvent, transfer_id: UUID, amounts: Amounts) -> None:
    wallet = lock(original.account_id, [original.type_code])[original.type_code]
    if amounts.cost == 0:
        return
    with connection.cursor() as cursor:
        keys = {"account_id": original.account_id, "transfer_id": original.transfer_id}
        cursor.execute(SQL["debits"], keys | {"granted": code_of(original.type_code, "granted")})
        debit_ids = [debit_id for (debit_id,) in cursor.fetchall()]
    given = GiveBack(
        transfer_id=transfer_id,
        amount=-amounts.cost,
        debit_ids=debit_ids,
        description=f"of {asked.reverses}: {asked.reason}"[:300] if asked.reason else f"of {asked.reverses}",
        actor=asked.actor[:254],
        detail_count=1,
        detail_digest=digest_of_details([_line(asked, original.type_code, amounts)]),
    )
    give_back(original.account_id, wallet, given)


def _line(asked: Reversal, type_code: str, amounts: Amounts) -> str:
    """The reversal as the detail digest of its transfer seals it (see ledger.chain)."""
    billed, cost = int(amounts.billed * _MILLION), int(amounts.cost * _MILLION)
    return f"{asked.id}\t{type_code}\t{microseconds(asked.occurred_at)}\t{billed}\t{cost}\n"


def _is_quantity(quantity: Decimal) -> bool:
    return quantity.is_finite() and 0 < quantity < 10**12 and quantity.quantize(MICRO) == quantity


def _is_text(text: str) -> bool:
    return text.isprintable()


def _rejected(fault: Fault) -> Reversed:
    return Reversed(REJECTED, fault.code, fault.message)
