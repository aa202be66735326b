"""What neither an answer nor a webhook told of refills is found by comparing with the gateway, and settled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.refills.shop import OWNER, SUPPORT, Shop, gateway_is, other
from tollbook.payments import reconcile
from tollbook.payments.tables import Payment
from tollbook.refills import person, run
from tollbook.refills.settlers import SETTLERS, open_since
from tollbook.refills.tables import Refill


def catch_up() -> int:
    return reconcile.catch_up(None, SETTLERS, open_since)


def codes() -> list[str]:
    now = datetime.now(UTC)
    found = reconcile.compare("simulated", now - timedelta(days=40), now + timedelta(minutes=1))
    return [one.code for one in found.differences]


def long_ago(shop: Shop, days: int) -> None:
    shop.later(days=days)
    with shop.db.connect("owner") as owner:
        owner.execute("UPDATE simulated_charge SET created_at = created_at - make_interval(days => %s)", [days])


def test_a_refill_that_was_charged_without_an_answer_is_settled(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0408")
    shop.run()
    assert (shop.states(), codes()) == ({"unknown": 1}, ["charge_not_booked"])
    assert catch_up() == 1
    assert (shop.states(), shop.balance(), codes()) == ({"succeeded": 1}, Decimal(550), [])
    shop.assert_sound()


def test_a_refill_that_was_ended_here_and_charged_there_is_settled(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0408")
    shop.run()
    Refill.objects.filter(account_id=shop.id).update(needs_person_at=datetime.now(UTC))
    with gateway_is("Silent"):
        person.resolve(shop.account, shop.refill().id, "not_charged", "", "I saw nothing", SUPPORT)
    assert catch_up() == 1
    assert (shop.states(), shop.balance()) == ({"succeeded": 1}, Decimal(550))


def test_the_comparison_begins_with_the_oldest_charge_that_is_open_here(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0408")
    shop.run()
    long_ago(shop, 20)
    assert reconcile.catch_up(None, SETTLERS) == 0, "the last days have nothing"
    assert catch_up() == 1
    assert shop.balance() == Decimal(550)
    assert open_since("simulated") is None


def test_what_a_person_gave_back_at_the_gateway_is_not_settled_and_no_difference_once_it_is_there(shop: Shop) -> None:
    shop.ready("50.00", token="sim_0408", rule=other(automatic=False))
    run.ask(shop.account, "outbound", Decimal(100), OWNER)
    shop.run()
    Refill.objects.filter(account_id=shop.id).update(needs_person_at=datetime.now(UTC))
    [charge] = shop.charges()
    person.resolve(shop.account, shop.refill().id, "given_back", charge.reference, "Refunded there", SUPPORT)
    assert catch_up() == 0
    assert (shop.balance(), Payment.objects.count(), len(person.waiting())) == (Decimal(50), 0, 1)
    with shop.db.connect("owner") as owner:
        owner.execute(
            "INSERT INTO simulated_charge SELECT account_id, 'by hand', 're_1', reference, currency, amount, 'refund', '',"
            " created_at FROM simulated_charge WHERE account_id = %s", [shop.id],
        )  # fmt: skip
    assert codes() == []
