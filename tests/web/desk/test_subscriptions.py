"""Components and what accounts subscribe to, by staff."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.account import today_in
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import Account
from tollbook.corrections.correct import Wanted as Correction
from tollbook.corrections.correct import correct
from tollbook.invoicing.run import as_billed, bill
from tollbook.invoicing.tables import CreditNote, Invoice
from tollbook.money.period import period_of
from tollbook.subscriptions import component
from tollbook.subscriptions.change import Wanted, as_change, make
from tollbook.subscriptions.due import total
from tollbook.subscriptions.fees import fees
from tollbook.subscriptions.plan import Change
from tollbook.subscriptions.preview import of_change
from tollbook.subscriptions.record import plan_of
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import (
    ChangeKind,
    Commitment,
    Component,
    ComponentPrice,
    FeeKind,
    Subscription,
    SubscriptionChange,
)

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
    refused = desk.review(OFFER, code="seat", name="Seat", price="25", kind="setup")
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
    assert refused.status_code == 400 and "at the earliest" in words(refused)


def test_an_unknown_subscription_is_not_found(desk: Desk, northwind: Account) -> None:
    for page in ("quantity", "end"):
        assert desk.get(f"{HOME}{northwind.id}/{page}/").status_code == 404
    assert desk.get("/desk/subscriptions/boat/withdraw/").status_code == 404


def test_a_change_shows_its_effect_on_invoices_line_by_line(desk: Desk, northwind: Account, seat: Component) -> None:
    today = today_in(northwind)
    starts_on = period_of(northwind.anchor_on, today).start_on
    row = start(northwind, NewSubscription("seat", starts_on - timedelta(days=1), prorated=True), SYSTEM)
    path = f"{HOME}{row.id}/quantity/"
    review = desk.review(path, quantity="3", from_on=str(today + timedelta(days=1)))
    read = words(review)
    assert "Agent seat, given back (" in read and "days × $24.995" in read and "days × 3 × $24.995" in read
    effect = of_change(northwind, plan_of(northwind, row.id), change_as(northwind, row.id, today), today)
    assert f"In all: ${effect.amount:,.2f}." in read and "Next invoice, before tax $25.00 on" in read
    desk.confirm(path, review)
    assert fees(northwind, today).next_charge_amount == total(effect.after.charges)


def change_as(account: Account, id: UUID, today: date) -> Change:
    wanted = Wanted(ChangeKind.QUANTITY, today + timedelta(days=1), quantity=Decimal(3))
    return as_change(account, plan_of(account, id), wanted)


@pytest.mark.parametrize(
    ("what", "typed", "says"),
    [
        ("price", {"price": "30"}, "Quantity = total each period 1 = $25.00 1 = $30.00"),
        ("discount", {"percent": "10"}, "Discount on Agent seat"),
        ("pause", {}, "given back"),
    ],
)
def test_price_discount_and_pause_are_reviewed_and_recorded_once(
    desk: Desk, northwind: Account, seat: Component, what: str, typed: dict[str, str], says: str
) -> None:
    starts_on = period_of(northwind.anchor_on, today_in(northwind)).start_on - timedelta(days=1)
    row = start(northwind, NewSubscription("seat", starts_on, prorated=True), SYSTEM)
    path = f"{HOME}{row.id}/{what}/"
    review = desk.review(path, **typed)
    assert says in words(review), words(review)
    for _ in range(2):
        assert desk.confirm(path, review).status_code == 302
    assert SubscriptionChange.objects.get().kind == what
    assert "Agent seat" in desk.read(HOME)
    if what == "pause":
        assert "Paused" in desk.read(HOME)
        desk.do(f"{HOME}{row.id}/resume/")
        assert "Paused" not in desk.read(HOME).split("Changes")[0]


def test_a_scheduled_change_can_be_taken_back(desk: Desk, northwind: Account, seat: Component) -> None:
    row = start(northwind, NewSubscription("seat", today_in(northwind) - timedelta(days=9)), SYSTEM)
    desk.do(f"{HOME}{row.id}/quantity/", quantity="7", from_on=str(today_in(northwind) + timedelta(days=9)))
    coming = SubscriptionChange.objects.get()
    path = f"{HOME}{row.id}/changes/{coming.id}/take-back/"
    assert "Scheduled; Take it back" in desk.read(HOME)
    assert "Quantity 7, from" in words(desk.get(path))
    assert desk.client.post(path).status_code == 302
    assert SubscriptionChange.objects.filter(withdraws=coming.id).exists()
    assert "Taken back: Quantity 7" in desk.read(HOME)


def test_a_last_day_that_lies_ahead_is_called_off(desk: Desk, northwind: Account, seat: Component) -> None:
    row = start(northwind, NewSubscription("seat", today_in(northwind) - timedelta(days=9)), SYSTEM)
    desk.do(f"{HOME}{row.id}/end/", ends_on=str(today_in(northwind) + timedelta(days=40)))
    path = f"{HOME}{row.id}/go-on/"
    assert "It has no last day any more." in words(desk.get(path))
    desk.client.post(path)
    assert fees(northwind, today_in(northwind)).recurring[0].ends_on is None


def test_a_start_shows_what_it_will_cost_and_when(desk: Desk, northwind: Account, seat: Component) -> None:
    review = desk.review(START, component="seat", quantity="2", free_periods="1")
    assert "It is free until" in words(review)
    desk.confirm(START, review)
    assert Subscription.objects.get().free_until is not None and Subscription.objects.get().prorated


def test_a_component_with_tiers_is_offered_and_its_price_scheduled(desk: Desk, northwind: Account) -> None:
    typed = {"code": "line", "name": "Line", "kind": "recurring", "model": "graduated", "tiers": "10: 5\nmore: 4 + 1"}
    assert "Graduated tiers: 5 up to 10, 4 and 1 beyond" in words(desk.do(OFFER, **typed) and desk.review(OFFER, **typed))
    path, from_on = "/desk/subscriptions/line/price/", component.today() + timedelta(days=3)
    for _ in range(2):
        desk.do(path, model="flat", price="12", tiers="", valid_from=str(from_on))
    assert ComponentPrice.objects.filter(component_code="line", valid_from=from_on).count() == 1
    assert "12 flat from" in desk.read("/desk/subscriptions/")
    for wrong in ("10 5", "ten: 5", "10: 5", "more: 5\n10: 4"):
        assert desk.review(OFFER, **(typed | {"tiers": wrong})).status_code == 400


def test_included_credit_is_offered_with_its_type(desk: Desk, northwind: Account) -> None:
    typed = {"code": "b", "name": "Bundle", "kind": "recurring", "price": "20"}
    desk.do(OFFER, **typed, grant_type_code="sms", grant_amount="5")
    made = Component.objects.get(code="b")
    assert (made.grant_type_code, made.grant_amount) == ("sms", 5)
    assert "Includes 5 of sms a month" in desk.read("/desk/subscriptions/")
    assert desk.review(OFFER, **(typed | {"code": "c"}), grant_type_code="sms").status_code == 400


def test_a_commitment_is_agreed_shown_and_ended(desk: Desk, northwind: Account) -> None:
    desk.do("/desk/accounts/northwind/commitment/", amount="500")
    agreed = Commitment.objects.get()
    assert "Agreed: at least $500.00 each period" in desk.read(HOME)
    path = f"/desk/accounts/northwind/commitment/{agreed.id}/end/"
    assert "nothing is missing any more" in words(desk.get(path))
    desk.client.post(path)
    assert "No minimum commitment" in desk.read(HOME)


@pytest.fixture
def billed(northwind: Account, seat: Component) -> Subscription:
    """A seat that is charged by the day, since ten days ago, and invoiced."""
    northwind.anchor_on = today_in(northwind) - timedelta(days=10)
    northwind.save()
    row = start(northwind, NewSubscription("seat", northwind.anchor_on, prorated=True), SYSTEM)
    assert len(bill().issued) == 1
    return row


def test_days_that_wait_are_given_back_by_a_credit_note_once(desk: Desk, northwind: Account, billed: Subscription) -> None:
    today = today_in(northwind)
    path, invoice = f"{HOME}give-back/", Invoice.objects.get()
    assert desk.get(path).status_code == 409 and "Give it back now" not in desk.read(HOME)
    make(northwind, billed.id, Wanted(ChangeKind.END, today, today - timedelta(days=1), prorated=True, at_once=True), SYSTEM)
    assert "before tax, waits to be given back" in desk.read(HOME) and "Give it back now" in desk.read(HOME)
    review = desk.review(path, reason="Closed")
    assert f"{invoice.number}: Agent seat, given back" in words(review) and "becomes account credit" in words(review)
    for _ in range(2):
        desk.confirm(path, review)
    note = CreditNote.objects.get()
    assert (note.invoice_number, note.reason) == (invoice.number, "Closed")
    assert "Give it back now" not in desk.read(HOME) and bill().waiting == {}
    assert "Nothing is to be charged." in desk.read(HOME)
    assert fees(northwind, today, as_billed(northwind)).next_due is None


def test_days_are_not_given_back_that_were_not_reviewed(desk: Desk, northwind: Account, billed: Subscription) -> None:
    today, path = today_in(northwind), f"{HOME}give-back/"
    make(northwind, billed.id, Wanted(ChangeKind.END, today, today - timedelta(days=1), prorated=True, at_once=True), SYSTEM)
    review = desk.review(path, reason="Closed")
    correct(northwind, Invoice.objects.get().number, Correction("A bad day", {1: Decimal(20)}), SYSTEM)
    assert "has changed since your review" in words(desk.confirm(path, review))
    assert CreditNote.objects.count() == 1


def test_an_end_says_what_is_credited_already_and_gives_the_rest_back(
    desk: Desk, northwind: Account, billed: Subscription
) -> None:
    path, today = f"{HOME}{billed.id}/end/", today_in(northwind)
    typed = {"ends_on": str(today - timedelta(days=1)), "prorated": "on"}
    assert "is credited already" not in words(desk.review(path, **typed))
    correct(northwind, Invoice.objects.get().number, Correction("A bad day", {1: Decimal(20)}), SYSTEM)
    review = words(desk.review(path, **typed))
    assert "Of $25.00 that was charged, $20.00 is credited already" in review
    assert "that a credit note gave back already): −$5.00." in review
    correct(northwind, Invoice.objects.get().number, Correction("All of it"), SYSTEM)
    review = words(desk.review(path, **typed))
    assert "Of $25.00 that was charged, $25.00 is credited already" in review and "given back (" not in review
