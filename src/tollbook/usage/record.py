"""A batch of events in: deduplicated, rated, debited, in the books, in one transaction per account.

The order of locks is the same everywhere: event keys (sorted), wallets (by id), holds, roll-ups (sorted). Whatever
repeats a batch, after a lost answer or a crash, finds its events known and debits nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from tollbook.accounts.account import by_id
from tollbook.errors import Invalid
from tollbook.ledger.chain import digest_of_details, instant
from tollbook.money.amount import ZERO
from tollbook.postgres import wake
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating.deck import Deck, deck_of
from tollbook.rating.price import Priced, Terms, price
from tollbook.usage.event import Event, attributes_json, body_digest, fault_of
from tollbook.wallets.hold import close, items_of, open_for_events
from tollbook.wallets.spend import Debit, spend
from tollbook.wallets.tables import HoldState
from tollbook.wallets.wallet import Locked, lock, open_wallets

SQL = load(__file__)
LARGEST_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken: its place in the batch, its id, a stable code and a sentence."""

    index: int
    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch. `cost` is what was debited now, in the account's currency, 6 places."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    cost: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Rated:
    """An acceptable event with the terms and the price it got."""

    index: int
    event: Event
    terms: Terms
    priced: Priced
    digest: bytes


def record(account_id: UUID, events: Sequence[Event]) -> Recorded:
    """Take a batch of 1 to 10,000 events of one account. Exactly-once by (account, event id), for ever.

    Own transaction, repeated after a deadlock or a lost connection (which is safe: the ids are the same). One bad
    event never blocks the others: it is in `rejected`, as is a known id with another body (`event_conflict`).
    """
    return in_transaction(lambda: record_within(account_id, events))


def record_within(account_id: UUID, events: Sequence[Event]) -> Recorded:
    """As `record`, inside the caller's transaction, which must hold no wallet lock yet (event keys come first)."""
    if len(events) > LARGEST_BATCH:
        raise Invalid(f"A batch has at most {LARGEST_BATCH} events.", field="events")
    rated, rejected = rate_all(deck_of(account_id), events)
    new, known, conflicts = _take(account_id, rated) if rated else ([], 0, [])
    return Recorded(
        accepted=len(new),
        duplicates=known,
        rejected=sorted(rejected + conflicts, key=lambda rejection: rejection.index),
        cost=sum((one.priced.cost for one in new), ZERO),
    )


def rate_all(deck: Deck, events: Sequence[Event]) -> tuple[list[Rated], list[Rejection]]:
    """Check and rate a batch: what is good (an id may stand in it more than once), and what is rejected."""
    now = datetime.now(UTC)
    outcomes = [_rate(deck, index, event, now) for index, event in enumerate(events)]
    return [one for one in outcomes if isinstance(one, Rated)], [one for one in outcomes if isinstance(one, Rejection)]


def _rate(deck: Deck, index: int, event: Event, now: datetime) -> Rated | Rejection:
    fault = fault_of(event, deck.types, now)
    if fault:
        return Rejection(index, event.id[:200], fault.code, fault.message)
    terms = deck.find(event.type, event.to, event.occurred_at)
    if terms is None:
        where = f" to {event.to}" if event.to else ""
        return Rejection(index, event.id, "no_rate", f"No rate for {event.type}{where} at that time.")
    return Rated(index, event, terms, price(terms, event.quantity), body_digest(event))


def conflict(one: Rated) -> Rejection:
    """The rejection of an event whose id is known with another body."""
    says = "This id was used before for an event with another body."
    return Rejection(one.index, one.event.id, "event_conflict", says)


def _take(account_id: UUID, rated: Sequence[Rated]) -> tuple[list[Rated], int, list[Rejection]]:
    """Insert and debit what is new; answers it, how many are known, and those that are known with another body."""
    firsts: dict[str, Rated] = {}
    for one in rated:
        firsts.setdefault(one.event.id, one)
    transfer_ids = {type_code: new_id() for type_code in {one.event.type for one in rated}}
    holds = open_for_events(account_id, list(firsts))
    inserted = _insert(account_id, firsts.values(), transfer_ids, holds)
    new = [firsts[event_id] for event_id in firsts if event_id in inserted]
    if new:
        _debit(account_id, new, transfer_ids, holds)
    bodies = {one.event.id: one.digest for one in new} | known_bodies(account_id, firsts.keys() - inserted)
    again = [one for one in rated if one.event.id not in inserted or one is not firsts[one.event.id]]
    conflicts = [conflict(one) for one in again if bodies.get(one.event.id) != one.digest]
    return new, len(again) - len(conflicts), conflicts


def _insert(
    account_id: UUID, rated: Iterable[Rated], transfer_ids: Mapping[str, UUID], holds: Mapping[str, UUID]
) -> set[str]:
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(SQL["staging"])
        with cursor.copy(SQL["copy_in"]) as copy:
            for one in rated:
                copy.write_row(_row(one, transfer_ids, holds))
        cursor.execute(SQL["insert_new"], {"account_id": account_id})
        inserted = {row[0] for row in cursor.fetchall()}
        cursor.execute("DELETE FROM usage_staging")
    return inserted


def _row(one: Rated, transfer_ids: Mapping[str, UUID], holds: Mapping[str, UUID]) -> tuple[Any, ...]:
    event, terms, priced = one.event, one.terms, one.priced
    return (
        event.id, event.type, event.occurred_at, event.quantity, priced.billed, terms.account_id, terms.id,
        terms.rate_cents, terms.connect_fee, priced.cost, event.to, event.sender, attributes_json(event),
        transfer_ids[event.type] if priced.cost else None, holds.get(event.id), one.digest,
    )  # fmt: skip


def known_bodies(account_id: UUID, event_ids: Collection[str]) -> dict[str, bytes]:
    """The digests of those of these events that are in the books."""
    if not event_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(SQL["known_bodies"], {"account_id": account_id, "event_ids": list(event_ids)})
        return {event_id: bytes(digest) for event_id, digest in cursor.fetchall()}


def _debit(account_id: UUID, new: Sequence[Rated], transfer_ids: Mapping[str, UUID], holds: Mapping[str, UUID]) -> None:
    """Lock the wallets, close the holds these events were held by, debit, and add to the roll-up."""
    closing = [holds[event_id] for event_id in sorted({one.event.id for one in new} & set(holds))]
    held = {item.type_code for hold_id in closing for item in items_of(account_id, hold_id)}
    wallets = _wallets(account_id, {one.event.type for one in new} | held)
    for hold_id in closing:
        close(account_id, hold_id, HoldState.CAPTURED, "call record arrived")
    spend(account_id, wallets, [*_debits(new, transfer_ids)])
    _add_to_sums(account_id, new)
    wake.tell(account_id)


def _wallets(account_id: UUID, type_codes: set[str]) -> dict[str, Locked]:
    wallets = lock(account_id, type_codes)
    if type_codes - wallets.keys():
        open_wallets(by_id(account_id))
        wallets = lock(account_id, type_codes)
    return wallets


def _debits(new: Sequence[Rated], transfer_ids: Mapping[str, UUID]) -> Iterable[Debit]:
    for type_code, transfer_id in sorted(transfer_ids.items()):
        costly = [one for one in new if one.event.type == type_code and one.priced.cost]
        if costly:
            yield Debit(
                transfer_id=transfer_id,
                type_code=type_code,
                amount=sum((one.priced.cost for one in costly), ZERO),
                reference=str(transfer_id),
                description=f"{len(costly)} event{'s' if len(costly) > 1 else ''}",
                detail_count=len(costly),
                detail_digest=digest_of_details(map(detail_line, costly)),
            )


def detail_line(one: Rated) -> str:
    """An event as the detail digest of its transfer seals it (see ledger.chain)."""
    return f"{one.event.id}|{one.event.type}|{instant(one.event.occurred_at)}|{one.priced.billed:.6f}|{one.priced.cost:.6f}"


def _add_to_sums(account_id: UUID, new: Sequence[Rated]) -> None:
    sums: dict[tuple[str, datetime], list[Decimal]] = {}
    for one in new:
        row = sums.setdefault((one.event.type, quarter_of(one.event.occurred_at)), [ZERO] * 4)
        for place, value in enumerate((Decimal(1), one.event.quantity, one.priced.billed, one.priced.cost)):
            row[place] += value
    keys = sorted(sums)
    columns = list(zip(*(sums[key] for key in keys), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["add_to_sums"],
            {
                "account_id": account_id,
                "type_codes": [type_code for type_code, _ in keys],
                "quarters": [quarter for _, quarter in keys],
                "events": [int(count) for count in columns[0]],
                "quantities": list(columns[1]),
                "billed": list(columns[2]),
                "costs": list(columns[3]),
            },
        )


def quarter_of(at: datetime) -> datetime:
    """The quarter of an hour (UTC) that `at` falls into."""
    utc = at.astimezone(UTC)
    return utc - timedelta(minutes=utc.minute % 15, seconds=utc.second, microseconds=utc.microsecond)
