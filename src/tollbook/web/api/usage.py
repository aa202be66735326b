"""POST /usage: up to 10,000 events of any accounts; the bad ones are named, the good ones are debited exactly once.

Requests that wait at the same time are recorded together, in one transaction. When the database goes away half-way, the
answer is 503: the sender repeats the whole, and what was recorded counts as duplicate.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from litestar import Request, Response, post
from litestar.params import RawBody

from tollbook.metrics import count_events, count_transaction, watch_queue
from tollbook.postgres.gather import Gatherer
from tollbook.usage.record import record_batch
from tollbook.web.api import cloudevents, corrections, encodings
from tollbook.web.api.auth import Caller, ended, takes
from tollbook.web.api.batches import NDJSON, Merged, Reading, RejectionAnswer, Sending, UsageAnswer, answer, read
from tollbook.web.api.bodies import EventBody
from tollbook.web.api.cloudevents import CloudEvent
from tollbook.web.api.corrections import ReversalBody
from tollbook.web.api.gathered import Reply, outcome

CLOUD_EVENTS = {cloudevents.STRUCTURED: CloudEvent, cloudevents.BATCHED: list[CloudEvent]}
TAKES = takes("usage", list[EventBody], *NDJSON, shapes=CLOUD_EVENTS, encodings=encodings.TAKEN) | {
    "members": ReversalBody
}
MOST_TOGETHER = 12_000
"""Events of one transaction, but for those of a single request."""

_BYTES_OF_AN_EVENT = 150
_SMALL = 100
_UNPACKED = 10
"""What a compressed body is taken to grow by, when its share of a group is estimated."""


@post("/usage", status_code=200, opt=TAKES)
async def send_usage(request: Request[Any, Caller, Any], body: RawBody) -> Response[UsageAnswer]:
    """Send usage events: a JSON array, or NDJSON, of up to 10,000. Safe to repeat: an id is debited once, for ever.

    An event with `reverses` takes back the event of that id: all that is left of it, or `quantity` of it.
    CloudEvents 1.0 are taken in all three modes: structured, batched, and binary (ce-* headers, the data as JSON). The
    body may come with the Content-Encoding gzip or zstd.
    """
    reply = await taken(request.auth, request.headers, body)
    return Response(reply.body, media_type=reply.media_type)  # type: ignore[arg-type]


async def taken(caller: Caller, headers: Mapping[str, str], body: bytes) -> Reply:
    """The answer to a request with usage; see `send_usage`. Raises what is wrong with the request as a whole."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    weight = 1 + len(body) * (1 if encoding == "identity" else _UNPACKED) // _BYTES_OF_AN_EVENT
    plain = encoding == "identity" and b'"reverses"' not in body
    lane = _few if plain and weight <= _SMALL else _many  # what may take long keeps no lone event waiting
    sending = Sending(caller, headers.get("content-type", ""), encoding, headers, body)
    return Reply(200, await outcome(lane, sending, weight))


def _record(sendings: Sequence[Sending]) -> list[bytes | BaseException]:
    """Read and record what waits, in one transaction (in several, when there is more than was to be expected of so many
    bytes); each request gets the answer to its own events."""
    answers: list[bytes | BaseException | None] = [None] * len(sendings)
    over = ended({sending.caller for sending in sendings})
    merged = Merged()
    read_at: list[tuple[int, Mapping[str | None, UUID]]] = []
    for place, sending in enumerate(sendings):
        try:
            if sending.caller.key.id in over:
                raise over[sending.caller.key.id]
            reading, ids = read(sending)
        except Exception as error:
            answers[place] = error
            continue
        if read_at and len(merged) + len(reading.events) > MOST_TOGETHER:
            _answer(answers, sendings, merged, read_at)
            merged, read_at = Merged(), []
        merged.add(reading, ids)
        read_at.append((place, ids))
    if read_at:
        _answer(answers, sendings, merged, read_at)
    return answers  # type: ignore[return-value]


def _answer(
    answers: list[bytes | BaseException | None],
    sendings: Sequence[Sending],
    merged: Merged,
    read_at: Sequence[tuple[int, Mapping[str | None, UUID]]],
) -> None:
    """Record these requests' events, and correct; the answers go to the places of the requests."""
    oldest, started = timedelta(days=settings.LATE_DAYS), time.perf_counter()
    done = record_batch(merged.batch(), oldest)
    count_transaction(time.perf_counter() - started, len(read_at))
    for (place, ids), (reading, start, end) in zip(read_at, merged.spans(), strict=True):
        told = answer(reading, done.part(start, end))
        try:
            _correct(told, reading, ids, sendings[place].caller, oldest)
            answers[place] = msgspec.json.encode(told)
        except Exception as error:  # its events are recorded, and so are all others'
            answers[place] = error
        count_events(told.accepted, told.duplicates, len(told.rejected))


def _correct(
    told: UsageAnswer, reading: Reading, ids: Mapping[str | None, UUID], caller: Caller, oldest: timedelta
) -> None:
    """Do a request's corrections, after its events, and add what became of them to its answer."""
    for account_id in dict.fromkeys(ids[one.account] for _, one in reading.corrections):
        placed = [(place, one) for place, one in reading.corrections if ids[one.account] == account_id]
        asked = [corrections.reversal(one, caller.actor.name) for _, one in placed]
        new, known, refused = corrections.done(account_id, asked, oldest)
        told.accepted += new
        told.duplicates += known
        told.rejected += [
            RejectionAnswer(placed[index][0], placed[index][1].id[:200], why.code, why.message) for index, why in refused
        ]
    told.rejected.sort(key=lambda one: one.index)


_few: Gatherer[Sending, bytes] = Gatherer("usage-few", _record, threads=1, most=2_000, room=20_000)
_many: Gatherer[Sending, bytes] = Gatherer("usage-many", _record, threads=2, most=MOST_TOGETHER, room=120_000)
watch_queue(lambda: _few.waiting + _many.waiting)
