"""The client against a running server. Tests keep apart by the numbers of their calls."""

from decimal import Decimal

import pytest

from tests.client.calls import NOON, call
from tests.market import Market
from tollbook.client.client import Client
from tollbook.client.errors import InsufficientCredit, NoPrice, Refused, Undelivered
from tollbook.client.event import Event, Result
from tollbook.client.holds import Item
from tollbook.client.prices import Question
from tollbook.usage.tables import UsageEvent


def opened(market: Market, **options: object) -> Client:
    return Client(market.url, market.secret, **options)


def debited(first: int, last: int) -> list[int]:
    """The numbers of the calls from `first` up to and without `last` that are in the books."""
    ids = UsageEvent.objects.filter(event_id__startswith="call-").values_list("event_id", flat=True)
    return sorted(number for number in (int(id.removeprefix("call-")) for id in ids) if first <= number < last)


def balance(client: Client) -> Decimal:
    return next(one.balance for one in client.wallets("northwind") if one.type == "outbound")


def test_record_says_what_became_of_each_event(market: Market) -> None:
    with opened(market) as client:
        first = client.record([call(1), call(2), call(3, type="fax"), call(1, quantity=61)])
        again = client.record([call(1), call(2)])
        nothing = client.record([])
    assert (first.accepted, first.duplicates) == (2, 0)
    assert [(one.index, one.id, one.code) for one in first.rejected] == [
        (2, "call-3", "unknown_type"),
        (3, "call-1", "event_conflict"),
    ]
    assert (again, nothing) == (Result(0, 2, ()), Result())
    assert debited(0, 10) == [1, 2]


def test_more_events_than_one_request_takes_go_as_several_and_keep_their_places(market: Market) -> None:
    events = [call(number) for number in range(10_000, 20_000)] + [call(10_001, type="fax"), call(20_001)]
    with opened(market, timeout_seconds=120) as client:
        result = client.record(events)
    assert (result.accepted, [one.index for one in result.rejected]) == (10_001, [10_000])


def test_everything_of_an_event_arrives(market: Market) -> None:
    event = Event(
        id="e ü",
        account="northwind",
        type="outbound",
        quantity=Decimal("61.5"),
        occurred_at=NOON,
        to="+12125550100",
        sender="+18005550100",
        attributes={"campaign": "spring", "seats": [1, 2]},
    )
    with opened(market) as client:
        assert client.record([event]).accepted == 1
    stored = UsageEvent.objects.get(event_id="e ü")
    assert (stored.quantity, stored.occurred_at) == (Decimal("61.5"), NOON)
    assert (stored.to, stored.sender) == (event.to, event.sender)


def test_sent_events_are_delivered_when_the_client_is_closed(market: Market) -> None:
    with opened(market, linger_seconds=60) as client:
        for number in range(100, 125):
            client.send(call(number))
        client.send_many(call(number) for number in range(120, 150))
    assert debited(100, 200) == list(range(100, 150))


def test_flush_waits_for_the_acknowledgement(market: Market) -> None:
    with opened(market, linger_seconds=60) as client:
        client.send(call(200))
        client.flush()
        assert debited(200, 201) == [200] and client.waiting == 0


def test_rejected_events_are_told_and_do_not_block_the_others(market: Market) -> None:
    told: list[tuple[str, str, bytes]] = []
    with opened(market, on_rejected=lambda one, line: told.append((one.id, one.code, line))) as client:
        client.send_many([call(301), call(302, account="nobody"), call(303)])
    assert debited(300, 310) == [301, 303]
    [(id, code, line)] = told
    assert (id, code) == ("call-302", "unknown_account") and b'"account":"nobody"' in line


def test_a_listener_that_fails_does_not_end_the_delivery(market: Market) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    with opened(market, on_rejected=fail, on_problem=fail) as client:
        client.send(call(401, type="fax"))
        client.flush()
        client.send(call(402))
    assert debited(400, 410) == [402]


def test_a_compressed_batch_is_debited(market: Market) -> None:
    with opened(market, compress=True) as client:
        assert client.record([call(number) for number in range(500, 600)]).accepted == 100


def test_a_key_that_is_refused_is_not_tried_again_and_keeps_the_events(market: Market) -> None:
    client = Client(market.url, "tb_wrong")
    with pytest.raises(Refused) as refusal:
        client.record([call(701)])
    assert (refusal.value.status, refusal.value.code) == (401, "unauthorized")
    client.send(call(702))
    with pytest.raises(Undelivered, match="401"):
        client.flush()
    with pytest.raises(Undelivered) as left:
        client.close()
    assert left.value.waiting == 1 and b'"id":"call-702"' in left.value.lines[0]


def test_a_hold_is_placed_extended_and_captured_once(market: Market) -> None:
    with opened(market) as client:
        before = balance(client)
        hold = client.holds.place("call-801", Item("outbound", quantity=60, to="+12125550100"), account="northwind")
        assert (hold.state, hold.items[0].granted_quantity) == ("open", 60)
        more = client.holds.extend(hold.id, Item("outbound", quantity=60))
        assert more.items[0].granted_quantity == 120
        captured = client.holds.capture(hold.id, Item("outbound", quantity=95), NOON, attributes={"agent": "ada"})
        assert (captured.accepted, captured.debits[0].billed_quantity) == (1, 96)
        assert client.record([call(801, quantity=95)]).duplicates == 1
        assert balance(client) == before - captured.debits[0].cost


def test_a_hold_is_released_and_the_same_key_gets_the_same_hold(market: Market) -> None:
    half = Item("outbound", amount=Decimal("5"))
    with opened(market) as client:
        first, again = (
            client.holds.place("call-901", half, account="northwind", idempotency_key="key-901") for _ in range(2)
        )
        assert first == again
        assert client.holds.release(first.id, "no answer").state == "released"
        assert [one.held for one in client.wallets("northwind") if one.type == "outbound"] == [0]


def test_too_little_credit_says_how_much_there_is(market: Market) -> None:
    with opened(market) as client, pytest.raises(InsufficientCredit) as refusal:
        there = balance(client)
        client.holds.place("call-1001", Item("outbound", amount=there + 1), account="northwind")
    assert refusal.value.available == {"outbound": there}


def test_a_hold_may_be_granted_in_part(market: Market) -> None:
    with opened(market) as client:
        there = balance(client)
        hold = client.holds.place(
            "call-1101", Item("outbound", amount=there + 1), account="northwind", accept_less=True
        )
        assert 0 < hold.items[0].held <= there and hold.final_unit and hold.final_unit_action == "terminate"
        client.holds.release(hold.id)


def test_wallets_are_read(market: Market) -> None:
    with opened(market) as client:
        [outbound] = [one for one in client.wallets("northwind") if one.type == "outbound"]
        with pytest.raises(Refused) as refusal:
            client.wallets("no/body")
    assert (outbound.available, outbound.currency) == (outbound.balance, "USD")
    assert refusal.value.status == 404


def test_quotes_are_asked_for_one_or_many_at_a_time(market: Market) -> None:
    with opened(market) as client:
        one = client.quote("outbound", 61, to="+12125550100", account="northwind")
        many = client.quotes(
            [
                Question(type="outbound", quantity=Decimal("0.5"), account="northwind"),
                Question(type="sms", text="Hello", account="northwind"),
            ]
        )
        with pytest.raises(NoPrice) as refusal:
            client.quote("fax", 1, account="northwind")
    assert (one.billed_quantity, one.cost) == (66, Decimal("0.0132"))
    assert [(found.index, found.billed_quantity) for found in many.quotes] == [(0, 6)]
    assert [(none.index, none.code) for none in many.rejected] == [(1, "no_rate")]
    assert refusal.value.code == "unknown_type"
