"""POST /usage: up to 10,000 events of any accounts; the bad ones are named, the good ones are debited exactly once.

Each account's events are one transaction. When the database goes away half-way, the answer is 503 although the parts of
some accounts are recorded: the sender repeats the whole, and what is known counts as duplicate.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from litestar import Request, post
from litestar.params import RawBody

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.metrics import count_events
from tollbook.usage.event import Event
from tollbook.usage.record import LARGEST_BATCH, Recorded, record
from tollbook.usage.reverse import Reversal
from tollbook.web.api import cloudevents, corrections
from tollbook.web.api.auth import Caller, takes
from tollbook.web.api.bodies import EventBody, Malformed, parse
from tollbook.web.api.cloudevents import CloudEvent
from tollbook.web.api.corrections import ReversalBody
from tollbook.web.api.elements import TooMany, crowded, elements, lines

NDJSON = ("application/x-ndjson", "application/ndjson")
Piece = tuple[int, bytes | msgspec.Raw | EventBody | Malformed]


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


@dataclass(slots=True)
class Part:
    """The events of one account, each with its place in the batch."""

    places: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reversals: list[tuple[int, Reversal]] = field(default_factory=list)


CLOUD_EVENTS = {cloudevents.STRUCTURED: CloudEvent, cloudevents.BATCHED: list[CloudEvent]}


TAKES = takes("usage", list[EventBody], *NDJSON, shapes=CLOUD_EVENTS) | {"members": ReversalBody}


@post("/usage", status_code=200, sync_to_thread=True, opt=TAKES)
def send_usage(request: Request[Any, Caller, Any], body: RawBody) -> UsageAnswer:
    """Send usage events: a JSON array, or NDJSON, of up to 10,000. Safe to repeat: an id is debited once, for ever.

    An event with `reverses` takes back the event of that id: all that is left of it, or `quantity` of it.
    CloudEvents 1.0 are taken in all three modes: structured, batched, and binary (ce-* headers, the data as JSON).
    """
    content_type = request.headers.get("content-type", "")
    is_cloud = cloudevents.is_cloudevent(content_type, request.headers)
    pieces = _counted(_cloud_events(request, content_type, body) if is_cloud else _pieces(body, request.content_type[0]))
    parts, rejected = _sorted_out(pieces, request.auth)
    answer = UsageAnswer(0, 0, rejected)
    oldest = timedelta(days=settings.LATE_DAYS)
    for account_id, part in parts.items():
        _add(answer, part, record(account_id, part.events, oldest))
    for account_id, part in parts.items():
        _correct(answer, account_id, part.reversals, oldest)
    answer.rejected.sort(key=lambda rejection: rejection.index)
    count_events(answer.accepted, answer.duplicates, len(answer.rejected))
    return answer


def _cloud_events(request: Request[Any, Caller, Any], content_type: str, body: bytes) -> Iterator[Piece]:
    if crowded(body, LARGEST_BATCH):
        raise TooMany
    try:
        yield from enumerate(cloudevents.parse(content_type, request.headers, body))
    except Malformed as error:
        raise Invalid(error.message) from None


def _counted(read: Iterable[Piece]) -> list[Piece]:
    with suppress(TooMany):
        pieces = list(read)
        if len(pieces) <= LARGEST_BATCH:
            return pieces
    raise Invalid(f"Send at most {LARGEST_BATCH} events at a time, fewer when they have many attributes.", field="events")


def _pieces(body: bytes, content_type: str) -> Iterator[Piece]:
    """The events' own bytes, not looked into yet, each with its place."""
    if content_type in NDJSON:
        yield from lines(body, LARGEST_BATCH)
        return
    try:
        if not crowded(body, LARGEST_BATCH):
            yield from enumerate(parse(list[msgspec.Raw], body))
            return
        reason = "It has too many parts"
    except Malformed as error:
        reason = error.message
    apart = elements(body, LARGEST_BATCH)
    if apart is None:
        raise Invalid(f"Send a JSON array of events. {reason}")
    yield from enumerate(apart)


def _sorted_out(pieces: Sequence[Piece], caller: Caller) -> tuple[dict[UUID, Part], list[RejectionAnswer]]:
    parts: dict[UUID, Part] = {}
    rejected: list[RejectionAnswer] = []
    accounts, corrected = _Accounts(caller), 0
    for place, piece in pieces:
        told = piece if isinstance(piece, EventBody | Malformed) else _read(piece)
        if isinstance(told, Malformed):
            rejected.append(RejectionAnswer(place, told.id, "malformed", told.message))
            continue
        account = accounts.named(told.account)
        if account is None:
            sentence = "Name the account." if told.account is None else f"There is no account “{told.account[:63]}”."
            rejected.append(RejectionAnswer(place, told.id[:200], "unknown_account", sentence))
            continue
        part = parts.setdefault(account.id, Part())
        if isinstance(told, ReversalBody):
            corrected += 1
            if corrected > corrections.MOST:
                rejected.append(RejectionAnswer(place, told.id[:200], "too_many_corrections", corrections.TOO_MANY))
            else:
                part.reversals.append((place, corrections.reversal(told, caller.actor.name)))
            continue
        part.places.append(place)
        part.events.append(_event(told))
    return parts, rejected


class _Accounts:
    """The accounts that a caller may name, each looked up once."""

    def __init__(self, caller: Caller) -> None:
        reachable = Account.objects.all() if caller.sees_all else Account.objects.filter(id=caller.key.account_id)
        self._reachable = reachable
        self._known: dict[str | None, Account | None] = {None: None if caller.sees_all else reachable.first()}

    def named(self, slug: str | None) -> Account | None:
        """The account, or None when there is none for this caller."""
        if slug not in self._known:
            harmless = slug is not None and slug.isprintable()
            self._known[slug] = self._reachable.filter(slug=slug).first() if harmless else None
        return self._known[slug]


def _event(told: EventBody) -> Event:
    return Event(
        id=told.id,
        type=told.type,
        quantity=told.quantity,
        occurred_at=told.occurred_at,
        to=told.to or "",
        sender=told.sender or "",
        attributes=told.attributes or {},
    )


def _read(piece: bytes | msgspec.Raw) -> EventBody | ReversalBody | Malformed:
    try:
        return parse(EventBody, piece)
    except Malformed as error:
        correction = corrections.read(piece)
        if isinstance(correction, ReversalBody):
            return correction
        error = correction or error
        return Malformed(error.message, error.field, _id_of(piece))


class _OnlyId(msgspec.Struct):
    id: str = ""


def _id_of(piece: bytes | msgspec.Raw) -> str:
    """The id of a malformed event, if it can be told."""
    try:
        return parse(_OnlyId, piece).id[:200]
    except Malformed:
        return ""


def _add(answer: UsageAnswer, part: Part, recorded: Recorded) -> None:
    answer.accepted += recorded.accepted
    answer.duplicates += recorded.duplicates
    answer.rejected += [
        RejectionAnswer(part.places[rejection.index], rejection.id, rejection.code, rejection.message)
        for rejection in recorded.rejected
    ]


def _correct(answer: UsageAnswer, account_id: UUID, placed: list[tuple[int, Reversal]], oldest: timedelta) -> None:
    new, known, refused = corrections.done(account_id, [one for _, one in placed], oldest)
    answer.accepted += new
    answer.duplicates += known
    answer.rejected += [
        RejectionAnswer(placed[index][0], placed[index][1].id[:200], why.code, why.message) for index, why in refused
    ]
