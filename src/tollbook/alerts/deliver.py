"""What is due is sent, outside of any transaction; then what became of it is written down.

At least once, under the same id: who dies between sending and writing leaves a delivery that is due again when its lease
is over, and the receiver knows it by its `webhook-id`. Failures are repeated by `PAUSES`, with jitter. Whether somebody
still gets what was addressed to them is asked again each time it is sent.
"""

import json
import logging
import random
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives
from django.db import connection, connections

from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import Account
from tollbook.alerts import endpoint, mail, notify, people, post, secret
from tollbook.alerts.observe import Fact
from tollbook.alerts.post import Answer
from tollbook.alerts.tables import Channel, DeliveryState, Endpoint, Notice
from tollbook.errors import NotFound
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
log = logging.getLogger(__name__)

PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""After the first try and each further one; ten tries within a little more than three days."""

JITTER = 0.2
"""Each pause is longer or shorter by up to this share, so that what failed together is not repeated together."""

LONGEST_WISH = timedelta(hours=24)
MOST_SECONDS = 60.0
"""For one sending, whatever the other side, its name server or the mail server do."""

LEASE = timedelta(minutes=2)
"""From just before a sending: longer than `MOST_SECONDS`, and writing down what became of it."""

AT_ONCE, LIMIT = 8, 64
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Turn:
    """One delivery that this process sends now."""

    account_id: UUID
    id: UUID
    claim: UUID
    notice: Notice
    channel: Channel
    recipient: str
    tries: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Hook:
    """One request to an endpoint, signed when it is sent."""

    url: str
    body: bytes
    message_id: str
    secrets: list[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is sent, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail."""

    message: EmailMultiAlternatives


Parcel = Hook | Letter | Refusal
Sent = tuple[datetime, Parcel, Answer]
"""When it was sent, what, and what came back."""


def send_due(stop: Event | None = None) -> int:
    """Send what is due; answers how many tries were made. Must not be called inside a transaction. Safe beside others."""
    waiting, flying, made, stop = deque(_due()), _Flying(), 0, stop or Event()
    while True:
        while waiting and len(flying) < AT_ONCE and not stop.is_set():
            turn = _claimed(*waiting.popleft())
            if turn is not None:
                flying.send(turn, _packed(turn))
                made += 1
        if not flying:
            return made
        turn, sent = flying.next()
        _note(turn, *sent)


def body_of(notice: Notice) -> bytes:
    """What a webhook about this notice sends: the same bytes each time (a short name never changes). One query."""
    at = notice.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = {"type": notice.kind, "timestamp": at, "data": notice.data}
    if notice.account_id != OPERATOR_ID:
        message["account"] = Account.objects.values_list("slug", flat=True).get(id=notice.account_id)
    return json.dumps(message, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def message_id(notice: Notice) -> str:
    """The `webhook-id`: one for each notice, whoever it goes to and however often."""
    return f"msg_{notice.id.hex}"


def pause_after(tries: int, answer: Answer) -> timedelta | None:
    """How long after so many tries the next one comes, jitter included; None: it is given up. An endpoint that asks for
    more time (`Retry-After`) gets it, up to a day."""
    if tries > len(PAUSES):
        return None
    pause = PAUSES[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(pause, min(timedelta(seconds=answer.retry_after), LONGEST_WISH))


def forget_old(limit: int = 5_000) -> int:
    """Let go of finished deliveries after `KEPT`; answers how many."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["forget"], {"kept": KEPT, "limit": limit})
        return cursor.rowcount


def _due() -> list[tuple[UUID, UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["due"], {"limit": LIMIT})
        return cursor.fetchall()


def _claimed(account_id: UUID, id: UUID) -> Turn | None:
    claim = new_id()
    values = {"account_id": account_id, "id": id, "claim": claim, "lease": LEASE}
    with connection.cursor() as cursor:
        cursor.execute(SQL["claim"], values)
        row = cursor.fetchone()
    if row is None:
        return None
    notice_id, channel, recipient, tries, attempt = row
    notice = Notice.objects.get(account_id=account_id, id=notice_id)
    return Turn(account_id, id, claim, notice, Channel(channel), recipient, tries, attempt)


def _packed(turn: Turn) -> Parcel:
    """What is to be sent, with everything read that sending needs."""
    try:
        return _mail(turn) if turn.channel == Channel.MAIL else _hook(turn)
    except NotFound:
        return Refusal("The endpoint was removed.")
    except Exception as error:
        log.exception("alerts: delivery %s could not be made", turn.id)
        return Refusal(f"The message could not be made: {type(error).__name__}.")


class _Flying:
    """What is being sent, each in a thread that a process which ends leaves behind, as it does its jobs'; and so is one that
    does not come back in time."""

    def __init__(self) -> None:
        self._done: SimpleQueue[tuple[UUID, Sent]] = SimpleQueue()
        self._flying: dict[UUID, tuple[Turn, Parcel, datetime]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def send(self, turn: Turn, parcel: Parcel) -> None:
        """Begin to send."""
        self._flying[turn.claim] = turn, parcel, datetime.now(UTC)

        def work() -> None:
            self._done.put((turn.claim, _sent(parcel)))

        Thread(target=work, name=f"alerts-{turn.id.hex[:8]}", daemon=True).start()

    def next(self) -> tuple[Turn, Sent]:
        """Wait for one of them, at most until the time of the first is over."""
        claim, (_, parcel, began) = next(iter(self._flying.items()))
        deadline = began + timedelta(seconds=MOST_SECONDS)
        sent: Sent = began, parcel, Answer(None, f"Nothing came of it within {MOST_SECONDS:.0f} seconds.")
        with suppress(Empty):
            while True:
                came, answer = self._done.get(timeout=max((deadline - datetime.now(UTC)).total_seconds(), 0))
                if came in self._flying:  # and not one that was given up
                    claim, sent = came, answer
                    break
        turn, _, _ = self._flying.pop(claim)
        return turn, sent


def _mail(turn: Turn) -> Letter | Refusal:
    account = None if turn.account_id == OPERATOR_ID else Account.objects.get(id=turn.account_id)
    if not people.still_gets(account, turn.notice.kind, turn.recipient):
        return Refusal("This address gets no more mail about this.")
    return Letter(mail.compose(turn.notice, account, turn.recipient, turn.id))


def _hook(turn: Turn) -> Hook | Refusal:
    to = endpoint.find(turn.account_id, UUID(turn.recipient))
    if not to.is_on:
        return Refusal("The endpoint is switched off.")
    if not endpoint.gets(to, turn.notice.kind):
        return Refusal("The endpoint does not get this any more.")
    secrets = endpoint.secrets_of(to, datetime.now(UTC))
    if not secrets:
        return Refusal("The installation's key was changed, and with it the secret: rotate the endpoint's secret.")
    return Hook(to.url, body_of(turn.notice), message_id(turn.notice), secrets)


def _sent(parcel: Parcel) -> Sent:
    """In a thread of its own, without the database."""
    at = datetime.now(UTC)
    try:
        return at, parcel, _answer(parcel, at)
    except Exception as error:
        log.exception("alerts: sending failed")
        return at, parcel, Answer(None, f"Sending failed: {type(error).__name__}.")
    finally:
        connections.close_all()


def _answer(parcel: Parcel, at: datetime) -> Answer:
    match parcel:
        case Refusal():
            return Answer(None, parcel.reason)
        case Hook():
            return post.post(parcel.url, parcel.body, secret.headers(parcel.message_id, at, parcel.body, parcel.secrets))
        case Letter():
            return mail.send(parcel.message)


def _note(turn: Turn, at: datetime, parcel: Parcel, answer: Answer) -> None:
    """Write down what became of one try, all or nothing."""
    in_transaction(lambda: _noted(turn, at, parcel, answer))


def _noted(turn: Turn, at: datetime, parcel: Parcel, answer: Answer) -> None:
    about = {"account_id": turn.account_id, "id": turn.id, "claim": turn.claim}
    tried = {"attempt": turn.attempt, "at": at, "took_ms": answer.took_ms, "status": answer.status}
    _run("attempt", about | tried | {"outcome": answer.outcome[:300], "answer": answer.text[:500]})
    is_hook = turn.channel == Channel.WEBHOOK
    if answer.is_success:
        _run("done", about | {"state": DeliveryState.DELIVERED.value, "outcome": answer.outcome[:300]})
        if is_hook:
            _run("succeeded", {"account_id": turn.account_id, "id": UUID(turn.recipient)})
        return
    pause = None if _is_final(turn, parcel, answer) else pause_after(turn.tries, answer)
    if pause is not None:
        _run("again", about | {"pause": pause, "outcome": answer.outcome[:300]})
    elif _run("done", about | {"state": DeliveryState.FAILED.value, "outcome": answer.outcome[:300]}) and is_hook:
        _switch_off_if_dead(turn, parcel, answer)


def _is_final(turn: Turn, parcel: Parcel, answer: Answer) -> bool:
    return isinstance(parcel, Refusal) or answer.is_final or (turn.channel == Channel.WEBHOOK and answer.status == 410)


def _switch_off_if_dead(turn: Turn, parcel: Parcel, answer: Answer) -> None:
    """An endpoint that says it is gone (410), or of which a delivery was given up while nothing else reached it, gets
    nothing more until a person switches it on; in the transaction that gives the delivery up, told by mail."""
    if isinstance(parcel, Refusal):
        return
    endpoint_id = UUID(turn.recipient)
    with connection.cursor() as cursor:
        values = {"account_id": turn.account_id, "id": turn.id, "endpoint_id": endpoint_id}
        cursor.execute(SQL["exhausted"], values)
        row = cursor.fetchone()
    if answer.status == 410 or (row is not None and row[0]):
        _switch_off(endpoint_id, turn.account_id, answer.outcome)


def _switch_off(endpoint_id: UUID, account_id: UUID, outcome: str) -> None:
    try:
        before = endpoint.find(account_id, endpoint_id)
    except NotFound:
        return
    if before.is_on:
        reason = f"It failed for too long. The last time: {outcome}"
        off = endpoint.switch(account_id, endpoint_id, False, SYSTEM, reason)
        notify.tell(_off(off, outcome))


def _off(off: Endpoint, outcome: str) -> Fact:
    data: dict[str, Any] = {"endpoint": str(off.id), "url": off.url, "reason": outcome}
    if off.account_id == OPERATOR_ID:
        data["account"] = ""
    now = datetime.now(UTC)
    return Fact(off.account_id, "endpoint.disabled", f"endpoint/{off.id}", now.isoformat(), now, data)


def _run(name: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SQL[name], values)
        return cursor.rowcount


def schedule() -> Iterator[timedelta]:
    """When each try comes after the first, without jitter: for the documents and the page."""
    total = timedelta()
    for pause in PAUSES:
        total += pause
        yield total
