"""POST /holds, extend, capture, release: prepaid authorisation of something in progress, such as a live call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.params import FromPath, RawBody

from tollbook import logs
from tollbook.accounts.remember import Answer, Keyed, recall, remember
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, Refused, TryLater
from tollbook.postgres.gather import Gatherer
from tollbook.postgres.retry import in_transaction
from tollbook.usage import reserve as reserves
from tollbook.usage.capture import capture_within
from tollbook.usage.reserve import Extend, Item, Reserve
from tollbook.usage.statement import told_events
from tollbook.wallets import hold as holds
from tollbook.wallets.hold import Placed
from tollbook.web.api import idempotency
from tollbook.web.api.auth import Caller, ended, takes
from tollbook.web.api.bodies import CaptureBody, ExtendBody, ItemBody, PlaceBody, ReleaseBody, decode
from tollbook.web.api.gathered import Reply, outcome
from tollbook.web.api.numbers import money, plain

CallerRequest = Request[Any, Caller, Any]
HOLDS_PATH = "/api/v1/holds"


class HeldItem(msgspec.Struct):
    """What is set aside: the quantity it covers, in the type's unit, and the money, in the account's currency."""

    type: str
    granted_quantity: Decimal
    held: Decimal


class HoldAnswer(msgspec.Struct):
    """An open hold; its items count from its beginning.

    `final_unit`: the next slice like this one would be refused. `final_unit_action` then says what to do once what is
    granted is used up: `terminate`, end the service (null otherwise). What is granted reaches down to zero or, under the
    account's `zero_rule` `overdraft`, to its limit.
    """

    id: UUID
    event_id: str
    state: str
    items: list[HeldItem]
    final_unit: bool
    final_unit_action: str | None
    zero_rule: str
    expires_at: datetime


class DebitAnswer(msgspec.Struct):
    """One debited event, with the arithmetic: raw and billed quantity, rate in cents per unit, cost in the currency."""

    id: str
    type: str
    quantity: Decimal
    billed_quantity: Decimal
    rate_cents: Decimal
    cost: Decimal


class CaptureAnswer(msgspec.Struct):
    """A captured hold. `duplicates` counts debits that the call record had made already."""

    id: UUID
    event_id: str
    state: str
    accepted: int
    duplicates: int
    debits: list[DebitAnswer]


class ReleaseAnswer(msgspec.Struct):
    """A hold that was let go."""

    id: UUID
    state: str


@post("/holds", status_code=201, sync_to_thread=True, opt=takes("holds", PlaceBody))
def place_hold(request: CallerRequest, body: RawBody) -> Response[HoldAnswer]:
    """Set money aside for something about to happen. 402, with what is available, when there is too little."""
    asked = decode(PlaceBody, body)
    account = request.auth.account_or_own(asked.account)
    wanted = to_reserve(asked, account.id)
    return idempotency.answer(request, account.id, body, 201, lambda: told(reserves.reserve_within(wanted)))


@post("/holds/{hold_id:uuid}/extend", status_code=200, sync_to_thread=True, opt=takes("holds", ExtendBody))
def extend_hold(request: CallerRequest, hold_id: FromPath[UUID], body: RawBody) -> Response[HoldAnswer]:
    """Set more aside for something that goes on, and prolong. A refusal leaves the hold as it was."""
    asked = decode(ExtendBody, body)
    account = request.auth.account_of_hold(hold_id)
    wanted = to_extend(asked, account.id, hold_id)
    return idempotency.answer(request, account.id, body, 200, lambda: told(reserves.extend_within(wanted)))


@post("/holds/{hold_id:uuid}/capture", status_code=200, sync_to_thread=True, opt=takes("holds", CaptureBody))
def capture_hold(request: CallerRequest, hold_id: FromPath[UUID], body: RawBody) -> Response[CaptureAnswer]:
    """Debit what was used, once, and let the rest go."""
    asked = decode(CaptureBody, body)
    account = request.auth.account_of_hold(hold_id)
    used = _listed(asked.items, _bare(asked.quantity, None))

    def work() -> CaptureAnswer:
        done = capture_within(account, hold_id, used, asked.occurred_at, asked.attributes or {})
        if asked.event_id not in (None, done.event_id):
            raise Invalid("This hold was placed for another event.", field="event_id")
        return CaptureAnswer(
            id=hold_id,
            event_id=done.event_id,
            state="captured",
            accepted=done.recorded.accepted,
            duplicates=done.recorded.duplicates,
            debits=_debits(account, done.event_ids),
        )

    return idempotency.answer(request, account.id, body, 200, work)


@post("/holds/{hold_id:uuid}/release", status_code=200, sync_to_thread=True, opt=takes("holds", ReleaseBody))
def release_hold(request: CallerRequest, hold_id: FromPath[UUID], body: RawBody) -> Response[ReleaseAnswer]:
    """Let the money go without a debit."""
    asked = decode(ReleaseBody, body or b"{}")
    account = request.auth.account_of_hold(hold_id)

    def work() -> ReleaseAnswer:
        holds.release_within(account.id, hold_id, asked.reason)
        return ReleaseAnswer(hold_id, "released")

    return idempotency.answer(request, account.id, body, 200, work)


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for a hold: who asks, its Idempotency-Key if it has one, and the body as it came."""

    caller: Caller
    key: str | None
    body: bytes
    request_id: str


async def placed(caller: Caller, headers: Mapping[str, str], body: bytes) -> Reply:
    """The answer to a request for a hold; see `place_hold`. Requests that wait are served in one transaction."""
    return await outcome(_asking, Asking(caller, headers.get("idempotency-key"), body, logs.request_id.get()))


def _place(askings: Sequence[Asking]) -> list[Reply | BaseException]:
    answers: list[Reply | BaseException | None] = [None] * len(askings)
    over = ended({asking.caller for asking in askings})
    wanted: dict[int, Reserve] = {}
    keyed: dict[int, Keyed] = {}
    for place, asking in enumerate(askings):
        try:
            if asking.caller.key.id in over:
                raise over[asking.caller.key.id]
            asked = decode(PlaceBody, asking.body)
            wanted[place] = to_reserve(asked, asking.caller.id_of(asked.account))
            if asking.key is not None:
                digest = idempotency.digest_of("POST", HOLDS_PATH, asking.body)
                keyed[place] = Keyed(wanted[place].account_id, asking.key, digest)
        except Exception as error:
            wanted.pop(place, None)
            answers[place] = error
    if wanted:
        for place, one in in_transaction(lambda: _reserved(askings, wanted, keyed)).items():
            answers[place] = one
    return answers  # type: ignore[return-value]


def _reserved(
    askings: Sequence[Asking], wanted: Mapping[int, Reserve], keyed: Mapping[int, Keyed]
) -> dict[int, Reply | BaseException]:
    """Place these holds, but those whose key is known, and remember the answers to those that have one."""
    found = dict(zip(keyed, recall(list(keyed.values())), strict=True)) if keyed else {}
    answers: dict[int, Reply | BaseException] = {
        place: idempotency.reply(one) if isinstance(one, Answer) else one for place, one in found.items() if one is not None
    }
    left = {place: one for place, one in wanted.items() if place not in answers}
    new: list[tuple[Keyed, Answer]] = []
    for place, done in zip(left, reserves.reserve_many(list(left.values())), strict=True):
        if place in keyed and not isinstance(done, TryLater):
            logs.request_id.set(askings[place].request_id)
            answer = idempotency.settled(201, done if isinstance(done, Refused) else told(done))
            new.append((keyed[place], answer))
            answers[place] = idempotency.reply(answer)
        else:
            answers[place] = done if isinstance(done, Refused) else Reply(201, msgspec.json.encode(told(done)))
    if new:
        remember(new)
    return answers


_asking: Gatherer[Asking, Reply] = Gatherer("holds", _place, threads=1, most=500, room=5_000)


def to_reserve(asked: PlaceBody, account_id: UUID) -> Reserve:
    """The hold that a body asks for. Raises Invalid."""
    items = _listed(asked.items, _single(asked))
    return Reserve(account_id, asked.event_id, items, asked.ttl_seconds, asked.accept_less)


def to_extend(asked: ExtendBody, account_id: UUID, hold_id: UUID) -> Extend:
    """The extension that a body asks for. Raises Invalid."""
    more = _listed(asked.items, _bare(asked.quantity, asked.amount))
    return Extend(account_id, hold_id, more, asked.ttl_seconds, asked.accept_less)


def told(placed: Placed) -> HoldAnswer:
    """An open hold as machines are told of it."""
    return HoldAnswer(
        id=placed.id,
        event_id=placed.event_id,
        state="open",
        items=[HeldItem(item.type_code, plain(item.quantity), money(item.amount)) for item in placed.items],
        final_unit=placed.final_unit,
        final_unit_action=placed.final_unit_action,
        zero_rule=placed.zero_rule.value,
        expires_at=placed.expires_at,
    )


def _listed(items: list[ItemBody] | None, single: Item | None) -> list[Item]:
    """The items asked for, whether they came as a list or one stood alone."""
    if (items is None) == (single is None):
        raise Invalid("Send either a list of items or one item, not both.", field="items")
    return [single] if single else [_item(item) for item in items or []]


def _item(told: ItemBody) -> Item:
    if not told.type:
        raise Invalid("Name the credit type.", field="type")
    return Item(told.type, told.quantity, told.amount, told.to or "", told.sender or "")


def _single(asked: PlaceBody) -> Item | None:
    given = (asked.type, asked.quantity, asked.amount, asked.to, asked.sender)
    if all(value is None for value in given):
        return None
    if not asked.type:
        raise Invalid("Name the credit type.", field="type")
    return Item(asked.type, asked.quantity, asked.amount, asked.to or "", asked.sender or "")


def _bare(quantity: Decimal | None, amount: Decimal | None) -> Item | None:
    """A quantity or amount that names no type is of the hold's only one."""
    return None if quantity is None and amount is None else Item(quantity=quantity, amount=amount)


def _debits(account: Account, event_ids: Sequence[str]) -> list[DebitAnswer]:
    return [
        DebitAnswer(
            id=one.event_id,
            type=one.type_code,
            quantity=plain(one.quantity),
            billed_quantity=plain(one.billed_quantity),
            rate_cents=plain(one.rate_cents),
            cost=money(one.cost),
        )
        for one in told_events(account.id, event_ids)
    ]
