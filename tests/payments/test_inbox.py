"""Webhooks: only genuine ones are kept, once; whenever and however often they come, everything ends the same."""

import hashlib
import hmac
import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from stripe import WebhookSignature

from tests.gateway import Gateway, running
from tests.gateway.started import WEBHOOK_SECRET
from tests.payments.at_stripe import BACK, at_stripe, save_card
from tests.refills.shop import OWNER, USUAL, Shop
from tollbook.payments import gateway, inbox, method
from tollbook.payments.gateway import GatewayEvent, NotGenuine
from tollbook.payments.install import install_id
from tollbook.payments.stripe import signature
from tollbook.payments.stripe.client import client
from tollbook.payments.tables import ChargeTold, Disputed, GatewayEventSeen, PaymentMethod
from tollbook.postgres.ids import new_id
from tollbook.refills import run
from tollbook.worker.timetable import SETTLERS

FORGED = int(os.environ.get("TOLLBOOK_FORGED_WEBHOOKS", "300"))
CHARGE = {"method": "POST", "path": "/v1/payment_intents"}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("inbox")) as fake:
        fake.limits(search_per_second=0)
        yield fake


@pytest.fixture
def fake(started: Gateway, shop: Shop) -> Iterator[Gateway]:
    with at_stripe(started):
        yield started
    started.plan()


def signed(event: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """The event as its gateway sends it now."""
    body = json.dumps(event)
    return {"stripe-signature": WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)}, body.encode()


def arrives(event: dict[str, Any]) -> bool:
    """Let a webhook arrive at the door; whether it is new."""
    return inbox.store("stripe", inbox.take("stripe", *signed(event)))


def events_about(shop: Shop) -> list[dict[str, Any]]:
    """What the gateway has to tell about an account, oldest first."""
    told = [event.to_dict() for event in client().v1.events.list({"limit": 100}).auto_paging_iter()]
    return [event for event in reversed(told) if str(shop.id) in json.dumps(event)]


def process() -> int:
    return inbox.process(SETTLERS)


def soon() -> None:
    """Let the time come for whatever waits."""
    GatewayEventSeen.objects.filter(done_at__isnull=True).update(due_at=datetime.now(UTC) - timedelta(seconds=1))


def ready(shop: Shop, fake: Gateway) -> PaymentMethod:
    """A wallet at its minimum, with a card at the gateway and a rule."""
    shop.credit("51.00")
    shop.use("1.00")
    card = save_card(fake, shop.id)
    shop.rule(USUAL)
    return card


def lost(shop: Shop, fake: Gateway) -> None:
    """A refill that was charged, and whose answer got lost."""
    ready(shop, fake)
    fake.plan({"kind": "drop_after", "match": CHARGE})
    shop.run()
    fake.plan()
    assert shop.refill().state == "unknown"


def assert_refilled_once(shop: Shop, fake: Gateway) -> None:
    assert (shop.refill().state, shop.balance(), shop.credited()) == ("succeeded", Decimal(550), Decimal(500))
    moved = [one for one in fake.moved() if one.what == "charge"]
    assert [one.amount for one in moved if one.metadata.get("tollbook_account") == str(shop.id)] == [50000]


def test_a_lost_answer_comes_by_webhook(fake: Gateway, shop: Shop) -> None:
    lost(shop, fake)
    for event in events_about(shop):
        arrives(event)
    assert process() > 0
    assert_refilled_once(shop, fake)
    told = ChargeTold.objects.filter(account_id=shop.id, our_id=str(shop.refill().id))
    assert {(one.purpose, one.outcome) for one in told} == {("refill", "The charge succeeded; refill succeeded.")}


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_doubled_and_repeated_webhooks_end_the_same(fake: Gateway, shop: Shop, seed: int) -> None:
    lost(shop, fake)
    chance = random.Random(seed)
    wanted = [event for event in events_about(shop) for _ in range(chance.randint(1, 5))]
    chance.shuffle(wanted)
    new = 0
    for event in wanted:
        new += arrives(event)
        if chance.random() < 0.3:
            process()
        if chance.random() < 0.2:
            shop.later(minutes=2)
            shop.run()
    process()
    assert_refilled_once(shop, fake)
    assert new == len({event["id"] for event in wanted}) == GatewayEventSeen.objects.count()
    assert GatewayEventSeen.objects.filter(done_at__isnull=True, kind="charge").count() == 0


def test_a_webhook_that_overtakes_the_answer_settles_and_the_answer_changes_nothing(fake: Gateway, shop: Shop) -> None:
    ready(shop, fake)
    before = gateway.charge

    def overtaken(name: str, request: Any) -> Any:
        answer = before(name, request)
        for event in events_about(shop):
            arrives(event)
        process()
        assert shop.refill().state == "succeeded"
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.gateway, "charge", overtaken)
        shop.run()
    assert_refilled_once(shop, fake)


def test_what_happened_is_asked_not_believed(fake: Gateway, shop: Shop) -> None:
    """A genuine event of long ago says that the charge failed; the gateway says that it succeeded since."""
    card = ready(shop, fake)
    fake.control(f"cards/{card.token.split(':')[1]}", {"card": "pm_card_authenticationRequired"})
    shop.run()
    refill = shop.refill()
    assert refill.state == "action_required"
    gateway.confirm("stripe", shop.id, refill_reference(shop), BACK)
    fake.control(f"authenticate/{refill_reference(shop)}", {"agreed": True})
    [failed] = [event for event in events_about(shop) if event["type"] == "payment_intent.payment_failed"]
    arrives(failed)
    process()
    assert_refilled_once(shop, fake)


def refill_reference(shop: Shop) -> str:
    [reference] = {
        event["data"]["object"]["id"] for event in events_about(shop) if event["type"] == "payment_intent.created"
    }
    return reference


def test_what_cant_be_placed_yet_waits_and_what_is_of_others_does_not(fake: Gateway, shop: Shop) -> None:
    save_card(fake, shop.id)
    about = {"tollbook_install": install_id(), "tollbook_account": str(shop.id), "tollbook_purpose": "refill"}
    ours = {"tollbook_id": str(new_id()), "tollbook_attempt": "1", "tollbook_key": "k"}
    early = client().v1.payment_intents.create({"amount": 700, "currency": "usd", "metadata": about | ours})
    other = client().v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "metadata": about | {"tollbook_install": "another"}}
    )
    for event in events_about(shop):
        if event["data"]["object"]["id"] in (early.id, other.id):
            arrives(event)
    process()
    waiting = GatewayEventSeen.objects.get(object_reference=early.id)
    assert (waiting.done_at, waiting.tries) == (None, 1) and "There is no refill" in waiting.outcome
    assert GatewayEventSeen.objects.get(object_reference=other.id).outcome == "Not of this installation."
    assert process() == 0, "not due again yet"
    soon()
    with shop.db.connect("owner") as owner:
        owner.execute("UPDATE gateway_event SET received_at = received_at - interval '31 days'")
    assert process() == 1, "a month is enough"
    assert GatewayEventSeen.objects.get(object_reference=early.id).outcome.startswith("Given up.")


def test_while_the_gateway_is_away_events_wait(fake: Gateway, shop: Shop) -> None:
    lost(shop, fake)
    for event in events_about(shop):
        arrives(event)
    fake.plan({"kind": "error_before", "match": {"method": "GET"}, "times": 0})
    process()
    waiting = GatewayEventSeen.objects.filter(done_at__isnull=True).exclude(kind="page")
    assert {(one.kind, one.outcome) for one in waiting} == {("charge", "The gateway is away.")}
    fake.plan()
    soon()
    process()
    assert_refilled_once(shop, fake)


def test_webhooks_that_come_together_are_stored_by_one_statement_each_once(db) -> None:
    one, another = (GatewayEvent(f"evt_{number}", "charge", "pi_1", NOW) for number in (1, 2))
    with CaptureQueriesContext(connection) as asked:
        assert inbox.store_all([("stripe", another), ("stripe", one), ("stripe", one), ("other", one)]) == 3
    assert len(asked) == 1
    assert inbox.store_all([("stripe", one)]) == 0


def test_pauses_grow_to_hours() -> None:
    seconds = [inbox.pause_after(tries).total_seconds() for tries in range(1, 7)]
    assert seconds == [5, 30, 300, 3600, 21600, 21600]


def test_a_dispute_is_taken_and_one_of_nothing_we_know_waits(fake: Gateway, shop: Shop) -> None:
    ready(shop, fake)
    shop.run()
    made = fake.control("disputes", {"payment_intent": shop.refill().charge_reference})
    event = next(one for one in client().v1.events.list({"limit": 100}).data if one.data.object["id"] == made["id"])
    arrives(event.to_dict())
    process()
    assert Disputed.objects.get(account_id=shop.id).reference == made["id"]
    assert ChargeTold.objects.get(account_id=shop.id, purpose="dispute").kind == "dispute"


def test_a_card_comes_by_webhook_when_its_holder_never_returns_and_does_not_come_back(
    fake: Gateway, shop: Shop
) -> None:
    page = gateway.set_up("stripe", shop.id, BACK)
    fake.control(f"checkout/{page.reference}", {"card": "pm_card_mastercard"})
    [event] = [one for one in events_about(shop) if one["type"] == "checkout.session.completed"]
    arrives(event)
    assert process() == 0, "who comes back goes first"
    soon()
    process()
    [card] = method.of_account(shop.id)
    assert (card.last4, card.is_default) == ("4444", True)
    method.remove(shop.id, card.id, OWNER)
    arrives(event | {"id": "evt_again"})
    soon()
    process()
    assert method.of_account(shop.id) == []
    assert GatewayEventSeen.objects.get(event_id="evt_again").outcome == "The card is known."


def test_what_was_done_long_ago_is_forgotten(fake: Gateway, shop: Shop) -> None:
    save_card(fake, shop.id)
    for event in events_about(shop):
        arrives(event)
    soon()
    process()
    assert inbox.forget_old() == 0
    with shop.db.connect("owner") as owner:
        owner.execute("UPDATE gateway_event SET done_at = done_at - interval '91 days'")
    assert inbox.forget_old() > 0
    assert GatewayEventSeen.objects.count() == 0


EVENT = {
    "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1_795_000_000,
    "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
}  # fmt: skip


def header(body: bytes, at: datetime = NOW, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    made = WebhookSignature.generate_signature_header(body.decode(), secret, int(at.timestamp()))
    return {"stripe-signature": made}


def read(headers: dict[str, str], body: bytes, secrets: tuple[str, ...] = (WEBHOOK_SECRET,)) -> Any:
    return signature.event_of(headers, body, secrets, NOW)


@pytest.mark.parametrize("minutes", [-5, -1, 0, 1, 5])
def test_a_signature_is_good_for_five_minutes_both_ways(minutes: int) -> None:
    body = json.dumps(EVENT).encode()
    event = read(header(body, NOW + timedelta(minutes=minutes)), body)
    assert (event.id, event.kind, event.object_reference) == ("evt_1", "charge", "pi_1")


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
def test_a_signature_of_another_time_is_none(seconds: int) -> None:
    """The official SDK would take those from the future."""
    body = json.dumps(EVENT).encode()
    with pytest.raises(NotGenuine):
        read(header(body, NOW + timedelta(seconds=seconds)), body)


def test_while_a_secret_is_replaced_both_are_good_and_an_empty_one_never_is() -> None:
    body = json.dumps(EVENT).encode()
    both = ("whsec_new", WEBHOOK_SECRET)
    assert read(header(body), body, both) == read(header(body, secret="whsec_new"), body, both)
    for secrets in ((), ("",), ("whsec_new",)):
        with pytest.raises(NotGenuine):
            read(header(body), body, secrets)
    with pytest.raises(NotGenuine):
        read({"stripe-signature": header(body, secret="x")["stripe-signature"]}, body, ("",))


@pytest.mark.parametrize(
    "text",
    ["", "t=1", "v1=ab", "t=,v1=", "t=now,v1=ab", "t=-1,v1=ab", "t=1795435200,t=1,v1=ab", "t=1795435200,v0=ab", "t=9" * 9,
     "t=1795435200" + ",v1=00" * 21, "t=" + "9" * 400 + ",v1=00", "\x00,=,é=ü"],
)  # fmt: skip
def test_a_header_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotGenuine):
        read({"stripe-signature": text}, b"{}")


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"id": 1}', b"\xff\xfe", b"[" * 50_000,
     json.dumps(EVENT | {"id": "evt\x00"}).encode(), json.dumps(EVENT | {"id": "e" * 200}).encode(),
     json.dumps(EVENT | {"created": 1e300}).encode(), json.dumps(EVENT | {"data": {"object": None}}).encode()],
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    sent = {"stripe-signature": f"t={int(NOW.timestamp())},v1={hmac_of(body)}"}
    with pytest.raises(NotGenuine):
        read(sent, body)


def hmac_of(body: bytes) -> str:
    return hmac.new(WEBHOOK_SECRET.encode(), b"%d." % int(NOW.timestamp()) + body, hashlib.sha256).hexdigest()


def test_no_forged_or_altered_webhook_is_taken() -> None:
    """`TOLLBOOK_FORGED_WEBHOOKS=10000` makes it as many as we claim."""
    chance = random.Random(4)
    body = json.dumps(EVENT).encode()
    true = header(body)["stripe-signature"]
    taken = 0
    for _ in range(FORGED):
        sent, text = bytearray(body), bytearray(true.encode())
        if chance.random() < 0.5:
            sent[chance.randrange(len(sent))] ^= 1 << chance.randrange(8)
        else:
            place = chance.randrange(text.index(b"v1=") + 3, len(text))
            text[place] ^= 1 << chance.randrange(7)
        try:
            read({"stripe-signature": text.decode("latin-1")}, bytes(sent))
            taken += 1
        except NotGenuine:
            pass
    assert taken == 0
