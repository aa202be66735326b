"""Proves archived months: that their files are there, are what was archived, and agree with the books and what is left in
the table. Everything is streamed: a piece of a file, a page of rows, one debit's events, the sums of one month."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from heapq import merge
from itertools import groupby
from operator import add as add_up
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.audit.chain import NOT_SEALED, PAGE
from tollbook.postgres.named import load
from tollbook.rating.deck import terms_of
from tollbook.rating.price import Priced, Terms, price
from tollbook.rating.tables import CreditType, Rate
from tollbook.usage import shelf
from tollbook.usage.archive import Sums, add, ends_of
from tollbook.usage.archived import digest_of
from tollbook.usage.details import DETAILS, Detail, seals
from tollbook.usage.event import microseconds
from tollbook.usage.fold import ATTRIBUTES
from tollbook.usage.shelf import ArchiveUnreadable, Row
from tollbook.usage.tables import UsageArchive

SQL = load(__file__)
COLUMNS = (
    "event_id", "type_code", "occurred_at", "quantity", "billed_quantity", "cost", "to", "sender", "rate_id", "rate_cents",
    "connect_fee",
)  # fmt: skip
MOST_RATES = 50_000
NOTHING: tuple[Any, ...] = (0, 0, 0, 0)
Fault = tuple[str, str, str]


def broken(account_id: UUID) -> Iterator[Fault]:
    """Rule, row and what is wrong, at most one for each rule and file; nothing for an account without an archive.

    Transaction: the caller's, REPEATABLE READ. A file that can't be read is the finding `archive_can_be_read`, and the
    other rules are then left to the next audit.
    """
    volumes = shelf.volumes(account_id)
    unreadable = [fault for volume in volumes if (fault := _unreadable(volume))]
    if unreadable or not volumes:
        yield from unreadable
        return
    rates = _Rates(account_id)
    keys = {(month_on, part): (count, body) for month_on, part, count, body in _rows("keys", account_id)}
    for month_on, parts in groupby(volumes, key=lambda volume: volume.month_on):
        sums: Sums = {}
        for volume in parts:
            yield from _of_file(volume, keys.get((month_on, volume.part), (0, 0)), sums, rates)
        yield from _wrong_sums(account_id, month_on, sums)
    yield from _wrong_debits(account_id)


def _unreadable(volume: UsageArchive) -> Fault | None:
    try:
        shelf.opened(volume).close()
    except ArchiveUnreadable as error:
        return "archive_can_be_read", f"file {shelf.path_of(volume)}", error.message
    return None


def _of_file(volume: UsageArchive, keys: tuple[int, Decimal], sums: Sums, rates: "_Rates") -> Iterator[Fault]:
    """What one file's rows can tell; adds them to the sums of its month."""
    row_name = f"file {shelf.name_of(volume.month_on, volume.part)}"
    count, digests, cost = 0, 0, Decimal(0)
    faults: dict[str, Fault] = {}
    with closing(shelf.opened(volume)) as file:
        for piece in file.pieces():
            rows = file.read(piece, COLUMNS)
            rates.learn({row[8] for row in rows})
            add(sums, ((row[1], row[2], row[3], row[4], row[5]) for row in rows))
            for row in rows:
                count, digests, cost = count + 1, digests + _digest(row), cost + row[5]
                fault = rates.fault_of(row)
                if fault:
                    faults.setdefault(fault[0], fault)
    yield from faults.values()
    if keys != (count, digests):
        yield "archived_keys_equal_their_files", row_name, f"has {count} events; {keys[0]} keys are kept, or others"
    if (volume.events, volume.cost) != (count, cost):
        says = f"holds {count} events for {cost}; {volume.events} for {volume.cost} are noted"
        yield "archive_tells_its_files", row_name, says


def _digest(row: Row) -> int:
    event_id, type_code, at, quantity, _, _, to, sender = row[:8]
    return digest_of(event_id, (type_code, int(quantity * 1_000_000), microseconds(at), to, sender))


class _Rates:
    """Rates that archived events name, the last ones looked up kept."""

    def __init__(self, account_id: UUID) -> None:
        self._owners = [account_id, OPERATOR_ID]
        self._units = dict(CreditType.objects.values_list("code", "unit"))
        self._known: dict[str, tuple[str, Terms]] = {}

    def learn(self, rate_ids: set[str]) -> None:
        """Look up what is not known yet."""
        if len(self._known) > MOST_RATES:
            self._known.clear()
        missing = rate_ids - self._known.keys()
        for rate in Rate.objects.filter(account_id__in=self._owners, id__in=missing) if missing else []:
            self._known[str(rate.id)] = (rate.type_code, terms_of(rate, self._units[rate.type_code]))

    def fault_of(self, row: Row) -> Fault | None:
        """What is wrong with an event's rate or its arithmetic (that of a reversal is not its own)."""
        event_id, type_code, at, quantity, billed, cost, _, _, rate_id, rate_cents, connect_fee = row
        code, terms = self._known.get(rate_id, ("", None))
        name = f"event {event_id}"
        if terms is None or code != type_code or at < terms.valid_from:
            says = f"says rate {rate_id}; that rate is for {code or 'nothing'} from {terms and terms.valid_from}"
            return "every_event_follows_its_rate", name, says
        priced = price(terms, quantity) if quantity >= 0 else Priced(billed, cost)
        if (priced.billed, priced.cost, terms.rate_cents, terms.connect_fee) != (billed, cost, rate_cents, connect_fee):
            says = f"{quantity} billed as {billed} for {cost}; its rate says {priced.billed} for {priced.cost}"
            return "every_cost_can_be_recomputed", name, says
        return None


def _wrong_sums(account_id: UUID, month_on: date, sums: Sums) -> Iterator[Fault]:
    """The roll-ups of a month against its files (`sums`) and what is in the table of it."""
    start, end = ends_of(month_on)
    bounds = {"start": start, "end": end}
    folded = dict(sums)
    types = list(CreditType.objects.values_list("code", flat=True))
    for *row, waits in _stream("rest", account_id, type_codes=types, **bounds):
        add(sums, [row])
        if not waits:
            add(folded, [row])
    told = {(code, at): tuple(figures) for code, at, *figures in _rows("sums", account_id, **bounds)}
    yield from _difference("sums_equal_events", "usage sum", told, sums)
    hours = _by_hour(folded)
    by_attribute: dict[str, Sums] = {attribute: {} for attribute in ATTRIBUTES}
    for attribute, code, at, *figures in _rows("by_attribute", account_id, **bounds):
        by_attribute[attribute][code, at] = tuple(figures)
    for attribute, found in by_attribute.items():
        yield from _difference("sums_by_attribute_equal_events", f"usage by {attribute}", found, hours)


def _by_hour(sums: Sums) -> Sums:
    hours: Sums = {}
    for (code, at), figures in sums.items():
        hour = (code, at.replace(minute=0))
        hours[hour] = tuple(map(add_up, figures, hours.get(hour, NOTHING)))
    return hours


def _difference(rule: str, name: str, told: Sums, sums: Sums) -> Iterator[Fault]:
    """The first key at which what is told is not what the events are."""
    wrong = sorted(key for key in sums.keys() | told.keys() if sums.get(key) != told.get(key))
    if wrong:
        code, at = wrong[0]
        (count, *_, cost), (events, *_, total) = told.get(wrong[0], NOTHING), sums.get(wrong[0], NOTHING)
        yield rule, f"{name} {code} {at}", f"says {count} events and {cost}; the events are {events} and {total}"


def _wrong_debits(account_id: UUID) -> Iterator[Fault]:
    """Every usage transfer against its events, from files and table; and the events that no transfer has."""
    told = ((str(id), "", seal) for id, *seal in _stream("transfers", account_id))
    in_table = ((str(id), row[0], row) for id, *row in _stream("details", account_id))
    in_files = ((id, row[0], row) for id, *row in shelf.in_order(account_id, ("transfer_id", *DETAILS)))
    faults: dict[str, Fault] = {}
    for transfer_id, group in groupby(merge(told, in_table, in_files, key=itemgetter(0, 1)), key=itemgetter(0)):
        kept = [(event_id, row) for _, event_id, row in group]
        seal = None if kept[0][0] else kept.pop(0)[1]
        for fault in _of_debit(transfer_id, seal, [tuple(row) for _, row in kept]):
            faults.setdefault(fault[0], fault)
    yield from faults.values()


def _of_debit(transfer_id: str, seal: list[Any] | None, rows: list[Detail]) -> Iterator[Fault]:
    total = sum((row[4] for row in rows), Decimal(0))
    if seal is None:
        costly = next((row for row in rows if row[4]), None)
        if costly:
            says = f"costs {costly[4]}; transfer {transfer_id} is not in the books"
            yield "every_costly_event_is_debited", f"event {costly[0]}", says
        return
    count, digest, cost = seal
    if (count, cost) != (len(rows), total):
        says = f"debits {cost} for {count} events; its events are {len(rows)} and cost {total}"
        yield "usage_transfers_equal_their_events", f"transfer {transfer_id}", says
    if not seals(bytes(digest or b""), rows):
        yield "details_are_sealed", f"transfer {transfer_id}", NOT_SEALED


def _rows(name: str, account_id: UUID, **more: Any) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], {"account_id": account_id, **more})
        return cursor.fetchall()


def _stream(name: str, account_id: UUID, **more: Any) -> Iterator[Row]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(SQL[name], {"account_id": account_id, **more})
        while rows := cursor.fetchmany(PAGE):
            yield from rows
