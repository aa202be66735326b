"""What gateways tell: stored once, acknowledged at once, and looked into later, in any order and however often it came.

A webhook only says where to look: what became of the charge, the refund, the dispute or the page is asked of the gateway,
and goes the same way as any other answer, so early, late, doubled, shuffled and missing webhooks end the same. What
can't be placed yet (polar #10728: it came before its row, was acknowledged and lost) waits here.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

from django.db import OperationalError, connection

from tollbook.payments import told
from tollbook.payments.gateway import GatewayEvent, Unreachable, event_of
from tollbook.payments.told import NotYet, Settlers, Told
from tollbook.postgres.named import load

log = logging.getLogger(__name__)
SQL = load(__file__)

LIMIT = 200
LEASE = timedelta(minutes=2)
REST_OF_PAGES = timedelta(seconds=20)
PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1))
LONGEST_PAUSE = timedelta(hours=6)
KEPT_WAITING = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Received:
    """An event that was taken up: `event`, when it came, and the how manieth try this is."""

    gateway: str
    event: GatewayEvent
    received_at: datetime
    tries: int


def take(name: str, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
    """The event in a webhook of the gateway `name`, not stored yet; touches no database. Raises NotGenuine, NotOffered."""
    return event_of(name, headers, body, datetime.now(UTC))


def store(name: str, event: GatewayEvent) -> bool:
    """Keep a verified event, in one statement of its own; whether it is new."""
    return store_all([(name, event)]) == 1


def store_all(told: Sequence[tuple[str, GatewayEvent]]) -> int:
    """Keep verified events with the names of their gateways, in one statement of its own; how many were new."""
    return _run(
        "store",
        gateways=[name for name, _ in told],
        event_ids=[event.id for _, event in told],
        kinds=[event.kind for _, event in told],
        object_references=[event.object_reference for _, event in told],
        created_at=[event.created_at for _, event in told],
        rests=[REST_OF_PAGES if event.kind == "page" else timedelta(0) for _, event in told],
    )


def process(settlers: Settlers, stop: Event | None = None) -> int:
    """Look into everything that is due; answers how many events came to their end. Must not be called inside a transaction.

    `settlers`: how charges are settled by what they were for. Any number of workers may do this at once. While a gateway
    is away, its events wait, and nothing else does.
    """
    stop, done = stop or Event(), 0
    away: set[str] = set()
    while not stop.is_set():
        claimed = _claimed()
        done += sum(_handle(events, settlers, away) for events in _by_object(claimed) if not stop.is_set())
        if len(claimed) < LIMIT:
            break
    return done


def forget_old() -> int:
    """Forget what was done three months ago; answers how many events."""
    return _run("forget", after=FORGOTTEN_AFTER)


def _handle(events: list[Received], settlers: Settlers, away: set[str]) -> int:
    """One question for all events about one thing; how many came to their end. A gateway that is `away` is not asked."""
    first = events[0]
    if first.gateway in away:
        return _wait(events, "The gateway is away.")
    try:
        found = told.look(first.gateway, first.event.kind, first.event.object_reference, settlers)
    except OperationalError:
        raise  # the database is away: the lease runs out, and somebody asks again
    except Unreachable:
        away.add(first.gateway)
        return _wait(events, "The gateway is away.")
    except (NotYet, LookupError) as reason:
        return _wait(events, str(reason))
    except Exception as error:
        log.exception("what %s told about %s can't be taken", first.gateway, first.event.object_reference)
        return _wait(events, f"Failed: {type(error).__name__}.")
    _end(events, found)
    return len(events)


def _end(events: list[Received], found: Told) -> None:
    for one in events:
        if found.account_id is not None:
            _run("told", **_about(one), **found.where(), outcome=found.outcome[:200])
    _write("done", events, outcome=found.outcome[:200])


def _wait(events: list[Received], reason: str) -> int:
    """Later again, but not for ever: what nobody can place within a month is not of this installation."""
    now, by_pause = datetime.now(UTC), defaultdict(list)
    for one in events:
        over = now - one.received_at > KEPT_WAITING
        by_pause[None if over else pause_after(one.tries)].append(one)
    for pause, some in by_pause.items():
        if pause is None:
            _write("done", some, outcome=f"Given up. {reason}"[:200])
        else:
            _write("later", some, pause=pause, outcome=reason[:200])
    return len(by_pause.get(None, []))


def pause_after(tries: int) -> timedelta:
    """How long an event waits that was tried so often."""
    return PAUSES[tries - 1] if tries <= len(PAUSES) else LONGEST_PAUSE


def _claimed() -> list[Received]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["claim"], {"lease": LEASE, "limit": LIMIT})
        return [
            Received(gateway, GatewayEvent(id, kind, reference, created_at), received_at, tries)
            for gateway, id, kind, reference, created_at, received_at, tries in cursor.fetchall()
        ]


def _by_object(claimed: list[Received]) -> list[list[Received]]:
    groups: dict[tuple[str, str, str], list[Received]] = defaultdict(list)
    for one in claimed:
        groups[one.gateway, one.event.kind, one.event.object_reference].append(one)
    return list(groups.values())


def _about(one: Received) -> dict[str, object]:
    return {
        "gateway": one.gateway,
        "event_id": one.event.id,
        "kind": one.event.kind,
        "object_reference": one.event.object_reference,
        "created_at": one.event.created_at,
        "received_at": one.received_at,
    }


def _write(name: str, events: list[Received], **values: object) -> None:
    _run(name, gateway=events[0].gateway, event_ids=[one.event.id for one in events], **values)


def _run(name: str, **values: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values)
        return cursor.rowcount
