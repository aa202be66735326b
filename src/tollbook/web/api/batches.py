"""What requests bring to POST /usage, read into one batch of columns for all of them, and what became of each.

The usual body is decoded in one go. When that fails, or an account is not there, its events are looked at one by one,
so that a bad one is named and spoils no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from tollbook.accounts.directory import ids_of
from tollbook.errors import Invalid
from tollbook.usage import attributes
from tollbook.usage.batch import Batch
from tollbook.usage.record import LARGEST_BATCH, Recorded
from tollbook.web.api import cloudevents, corrections, encodings
from tollbook.web.api.auth import Caller
from tollbook.web.api.bodies import EventBody, Malformed, parse
from tollbook.web.api.corrections import ReversalBody
from tollbook.web.api.elements import TooMany, crowded, elements, lines

NDJSON = ("application/x-ndjson", "application/ndjson")


class RejectionAnswer(msgspec.Struct):
    """An event that was not taken: its place (in the array; by line, from 0, in NDJSON), its id, a stable code, why."""

    index: int
    id: str
    code: str
    message: str


class UsageAnswer(msgspec.Struct):
    """What became of the events: newly debited, known already, not taken."""

    accepted: int
    duplicates: int
    rejected: list[RejectionAnswer]


@dataclass(frozen=True, slots=True)
class Sending:
    """A request with usage: who sends it, its headers (names in lower case) and its body as it came."""

    caller: Caller
    content_type: str
    encoding: str
    headers: Mapping[str, str]
    body: bytes


class Sent(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One event as it is sent. As `bodies.EventBody`, but attributes are left as they are, and whole numbers whole."""

    id: str
    type: str
    quantity: int | Decimal
    occurred_at: datetime
    account: str | None = None
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    attributes: msgspec.Raw = msgspec.Raw()


_SENT, _ALL_SENT = msgspec.json.Decoder(Sent), msgspec.json.Decoder(list[Sent])


@dataclass(slots=True)
class Reading:
    """The good events of one request with their places in it, its corrections, and what is neither."""

    places: Sequence[int] = ()
    events: Sequence[Sent] = ()
    corrections: list[tuple[int, ReversalBody]] = field(default_factory=list)
    rejected: list[RejectionAnswer] = field(default_factory=list)


class Merged:
    """The events of several requests as one batch."""

    def __init__(self) -> None:
        self._account_ids: dict[UUID, int] = {}
        self._accounts: list[int] = []
        self._events: list[Sent] = []
        self._readings: list[tuple[Reading, int]] = []

    def __len__(self) -> int:
        return len(self._events)

    def add(self, reading: Reading, ids: Mapping[str | None, UUID]) -> None:
        """The events of one more request; `ids` has the account of each."""
        self._readings.append((reading, len(self._events)))
        places = {slug: self._account_ids.setdefault(id, len(self._account_ids)) for slug, id in ids.items()}
        self._accounts += [places[one.account] for one in reading.events]
        self._events += reading.events

    def batch(self) -> Batch:
        """All of them, column by column."""
        events = self._events
        return Batch(
            account_ids=list(self._account_ids),
            accounts=self._accounts,
            ids=[one.id for one in events],
            types=[one.type for one in events],
            quantities=[one.quantity for one in events],
            occurred=[one.occurred_at for one in events],
            to=[one.to or "" for one in events],
            sender=[one.sender or "" for one in events],
            attributes=[bytes(one.attributes) for one in events],
        )

    def spans(self) -> list[tuple[Reading, int, int]]:
        """Each request with where its events begin and end in the batch."""
        return [(reading, start, start + len(reading.events)) for reading, start in self._readings]


def read(sending: Sending) -> tuple[Reading, dict[str | None, UUID]]:
    """A request's events and their accounts. Raises Invalid for a body that holds no list of events, or too many."""
    body = encodings.plain(sending.body, sending.encoding)
    try:
        if cloudevents.is_cloudevent(sending.content_type, sending.headers):
            reading = _read_cloud_events(sending, body)
        elif sending.content_type.partition(";")[0].strip().lower() in NDJSON:
            reading = _read_lines(body)
        else:
            reading = _read_array(body)
    except TooMany:
        sentence = f"Send at most {LARGEST_BATCH} events at a time, fewer when they have many attributes."
        raise Invalid(sentence, field="events") from None
    return reading, _reachable(reading, sending.caller)


def answer(reading: Reading, recorded: Recorded) -> UsageAnswer:
    """What became of one request's events, in its own places."""
    rejected = reading.rejected + [
        RejectionAnswer(reading.places[one.index], one.id, one.code, one.message) for one in recorded.rejected
    ]
    rejected.sort(key=lambda one: one.index)
    return UsageAnswer(recorded.accepted, recorded.duplicates, rejected)


def _read_array(body: bytes) -> Reading:
    if crowded(body, LARGEST_BATCH):
        return _read_apart(body, "It has too many parts")
    try:
        events = _ALL_SENT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            pieces = parse(list[msgspec.Raw], body)
        except Malformed as error:
            return _read_apart(body, error.message)
        return _read_each(enumerate(_counted(pieces)))
    return Reading(range(len(events)), _counted(events))


def _read_apart(body: bytes, reason: str) -> Reading:
    """The events of an array that can't be read as a whole, told apart by its brackets and quotes."""
    apart = elements(body, LARGEST_BATCH)
    if apart is None:
        raise Invalid(f"Send a JSON array of events. {reason}")
    return _read_each(enumerate(_counted(apart)))


def _read_lines(body: bytes) -> Reading:
    """Events one a line. The usual ones are decoded in one go, and without a copy of the body."""
    told = lines(body, LARGEST_BATCH)
    if not crowded(body, LARGEST_BATCH):
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            events = _SENT.decode_lines(body)
            if len(events) == len(told):
                return Reading([place for place, _ in told], events)
    return _read_each(told)


def _read_each(pieces: Iterable[tuple[int, bytes | msgspec.Raw]]) -> Reading:
    """Pieces with their places, of which some can't be read: one by one, so that the bad ones are named."""
    return _sorted_out((place, _told(text)) for place, text in pieces)


def _read_cloud_events(sending: Sending, body: bytes) -> Reading:
    if crowded(body, LARGEST_BATCH):
        raise TooMany
    try:
        told = cloudevents.parse(sending.content_type, sending.headers, body)
    except Malformed as error:
        raise Invalid(error.message) from None
    return _sorted_out(enumerate(_sent(one) if isinstance(one, EventBody) else one for one in _counted(told)))


def _sorted_out(told: Iterable[tuple[int, Sent | ReversalBody | Malformed]]) -> Reading:
    reading, good = Reading(), []
    for place, one in told:
        if isinstance(one, Malformed):
            reading.rejected.append(RejectionAnswer(place, one.id, "malformed", one.message))
        elif isinstance(one, ReversalBody):
            if len(reading.corrections) < corrections.MOST:
                reading.corrections.append((place, one))
            else:
                refusal = RejectionAnswer(place, one.id[:200], "too_many_corrections", corrections.TOO_MANY)
                reading.rejected.append(refusal)
        else:
            good.append((place, one))
    reading.places, reading.events = [place for place, _ in good], [one for _, one in good]
    return reading


def _told(piece: bytes | msgspec.Raw) -> Sent | ReversalBody | Malformed:
    try:
        return parse(Sent, piece)
    except Malformed as error:
        correction = corrections.read(piece)
        if isinstance(correction, ReversalBody):
            return correction
        error = correction or error
        return Malformed(error.message, error.field, _id_of(piece))


def _sent(told: EventBody) -> Sent:
    return Sent(
        told.id, told.type, told.quantity, told.occurred_at, told.account, told.to, told.sender,
        msgspec.Raw(attributes.told(told.attributes or {})),
    )  # fmt: skip


def _counted(events: list[Any]) -> list[Any]:
    if len(events) > LARGEST_BATCH:
        raise TooMany
    return events


def _reachable(reading: Reading, caller: Caller) -> dict[str | None, UUID]:
    """The accounts of a reading's events, by the names they have there; events of others are rejected."""
    named = {one.account for one in reading.events} | {one.account for _, one in reading.corrections}
    ids: dict[str | None, UUID] = dict(ids_of([slug for slug in named if slug]).items())
    if not caller.sees_all:
        ids = {slug: id for slug, id in ids.items() if id == caller.key.account_id} | {None: caller.key.account_id}
    if not named <= ids.keys():
        _reject_unreachable(reading, ids)
    return ids


def _reject_unreachable(reading: Reading, ids: Mapping[str | None, UUID]) -> None:
    events = list(zip(reading.places, reading.events, strict=True))
    everything: list[tuple[int, Sent | ReversalBody]] = [*events, *reading.corrections]
    for place, one in everything:
        if one.account not in ids:
            sentence = "Name the account." if one.account is None else f"There is no account “{one.account[:63]}”."
            reading.rejected.append(RejectionAnswer(place, one.id[:200], "unknown_account", sentence))
    good = [(place, sent) for place, sent in events if sent.account in ids]
    reading.places, reading.events = [place for place, _ in good], [sent for _, sent in good]
    reading.corrections = [(place, one) for place, one in reading.corrections if one.account in ids]


class _OnlyId(msgspec.Struct):
    id: str = ""


def _id_of(piece: bytes | msgspec.Raw) -> str:
    """The id of a malformed event, if it can be told."""
    try:
        return parse(_OnlyId, piece).id[:200]
    except Malformed:
        return ""
