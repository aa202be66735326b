"""Components and what accounts subscribe to, by staff."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import Account
from tollbook.subscriptions import component
from tollbook.subscriptions.tables import Component, FeeKind, Subscription, SubscriptionChange

HOME = "/desk/accounts/northwind/subscriptions/"
START = f"{HOME}start/"
OFFER = "/desk/subscriptions/offer/"


@pytest.fixture
def seat(northwind: Account) -> Component:
    return component.offer("seat", "Agent seat", FeeKind.RECURRING, Decimal("24.995"), SYSTEM)


def test_a_component_is_offered_changed_and_withdrawn(desk: Desk, northwind: Account) -> None:
    desk.do(OFFER, code="seat", name="Agent seat", price="25", kind="recurring")
    review = desk.review(OFFER, code="seat", name="Agent seat", price="30", kind="recurring")
    assert "Price 25 30" in words(review)
    assert Component.objects.get().price == 25
    for _ in range(2):
        desk.confirm(OFFER, review)
    assert Component.objects.get().price == 30
    assert len(trail(OPERATOR_ID, "component.offer")) == 2
    path = "/desk/subscriptions/seat/withdraw/"
    assert "Running subscriptions go on" in words(desk.client.get(path))
    assert Component.objects.get().is_active
    for _ in range(2):
        desk.client.post(path)
    assert not Component.objects.get().is_active
    assert len(trail(OPERATOR_ID, "component.withdraw")) == 1
    assert "Withdrawn" in desk.read("/desk/subscriptions/")


def test_a_component_keeps_its_kind(desk: Desk, seat: Component) -> None:
    refused = desk.do(OFFER, code="seat", name="Seat", price="25", kind="setup")
    assert refused.status_code == 400 and "recurring fee and stays one" in words(refused)


def test_an_account_subscribes_after_a_review_with_the_sum(desk: Desk, northwind: Account, seat: Component) -> None:
    review = desk.review(START, component="seat", quantity="3")
    assert "3 × $24.995 = $74.99, charged each period." in words(review)
    assert Subscription.objects.count() == 0
    for _ in range(2):
        assert desk.confirm(START, review)["Location"] == HOME
    row = Subscription.objects.get()
    assert (row.quantity, row.price, row.starts_on) == (3, Decimal("24.995"), today_in(northwind))
    assert len(trail(northwind.id, "subscription.start")) == 1
    changed = desk.client.post(START, dict(review.context["hidden"]) | {"quantity": "4"})
    assert changed.status_code == 409 and "with other values" in words(changed)
    assert "Agent seat" in desk.read("/desk/accounts/northwind/")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"component": "boat"}, "Select a valid choice"),
        ({"quantity": "0"}, "A quantity is more than zero"),
        ({"quantity": "many"}, "Enter a number."),
        ({"quantity": "0.0001"}, "3 decimal places"),
        ({"price": "-1"}, "A price is zero or more"),
        ({"starts_on": "1926-01-01"}, "is the year right?"),
    ],
)
def test_nonsense_starts_nothing(desk: Desk, seat: Component, typed: dict[str, str], says: str) -> None:
    answer = desk.review(START, **{"component": "seat"} | typed)
    assert answer.status_code == 400 and says in words(answer)
    assert Subscription.objects.count() == 0


def test_a_quantity_changes_from_a_day_on_and_only_once(desk: Desk, northwind: Account, seat: Component) -> None:
    desk.do(START, component="seat", quantity="3", starts_on=str(today_in(northwind) - timedelta(days=40)))
    row = Subscription.objects.get()
    path = f"{HOME}{row.id}/quantity/"
    review = desk.review(path, quantity="5")
    assert "3 = $74.99 5 = $124.98" in words(review)
    assert SubscriptionChange.objects.count() == 0
    for _ in range(2):
        assert desk.confirm(path, review).status_code == 302
    assert list(SubscriptionChange.objects.values_list("quantity", flat=True)) == [5]
    assert len(trail(northwind.id, "subscription.change_quantity")) == 1


def test_a_subscription_ends_after_a_review(desk: Desk, northwind: Account, seat: Component) -> None:
    desk.do(START, component="seat", quantity="3", starts_on=str(today_in(northwind) - timedelta(days=40)))
    row = Subscription.objects.get()
    path, last = f"{HOME}{row.id}/end/", today_in(northwind) + timedelta(days=30)
    review = desk.review(path, ends_on=str(last))
    assert "What is billed already is not refunded." in words(review)
    assert SubscriptionChange.objects.count() == 0
    for _ in range(2):
        assert desk.confirm(path, review).status_code == 302
    assert SubscriptionChange.objects.get().until_on == last and len(trail(northwind.id, "subscription.end")) == 1
    refused = desk.review(path, ends_on="2020-01-01")
    assert desk.confirm(path, refused).status_code == 400


def test_an_unknown_subscription_is_not_found(desk: Desk, northwind: Account) -> None:
    for page in ("quantity", "end"):
        assert desk.get(f"{HOME}{northwind.id}/{page}/").status_code == 404
    assert desk.get("/desk/subscriptions/boat/withdraw/").status_code == 404
