"""Adjusting a balance, through the form, its review and its confirmation."""

from decimal import Decimal

import pytest
from django.test import Client

from tests.cast import funded, wallet
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.ledger.tables import Transfer

ADJUST = "/desk/accounts/northwind/wallets/outbound/adjust/"
PAGE = "/desk/accounts/northwind/wallets/outbound/"


def test_a_correction_changes_the_balance_and_says_so_everywhere(desk: Desk, northwind: Account) -> None:
    funded(northwind)
    done = desk.do(ADJUST, amount="-12.50", reason="Carrier outage on Nov 3")
    assert done.status_code == 302 and done["Location"] == PAGE
    assert wallet(northwind).paid == Decimal("87.50")
    page = desk.read(PAGE)
    assert "Outbound Minutes is adjusted by −$12.50. Balance: $87.50." in page
    assert "Carrier outage on Nov 3" in page and "$100.00 −$12.50 $87.50" in page
    [_, line] = trail(northwind.id, "wallet.adjust")
    assert (line.actor_name, line.actor_kind, line.target) == (desk.staff.email, "staff", "wallet/outbound")
    assert (Decimal(line.before["balance"]), Decimal(line.after["balance"])) == (Decimal(100), Decimal("87.5"))
    assert line.reason == "Carrier outage on Nov 3"
    assert audit([northwind]) == []


def test_promotional_credit_goes_to_its_own_purse(desk: Desk, northwind: Account) -> None:
    desk.do(ADJUST, purse="granted", amount="25", reason="Welcome")
    assert (wallet(northwind).paid, wallet(northwind).granted) == (0, 25)


def test_the_review_says_what_would_happen_and_does_nothing(desk: Desk, northwind: Account) -> None:
    funded(northwind, amount="10")
    review = desk.review(ADJUST, amount="-12.5", reason="Test calls")
    assert review.status_code == 200
    text = words(review)
    assert "Adjust Outbound Minutes of Northwind by −$12.50" in text
    assert "Balance $10.00 −$2.50" in text and "The balance goes below zero." in text
    assert "Reason, as the customer will read it: “Test calls”" in text
    assert "It triggers no refill" in text
    assert wallet(northwind).paid == 10 and Transfer.objects.count() == 1


def test_a_confirmation_sent_twice_adjusts_once(desk: Desk, northwind: Account) -> None:
    review = desk.review(ADJUST, amount="5", reason="Goodwill")
    first, second = desk.confirm(ADJUST, review), desk.confirm(ADJUST, review)
    assert (first.status_code, second.status_code) == (302, 302)
    assert wallet(northwind).paid == 5
    assert len(trail(northwind.id, "wallet.adjust")) == 1


def test_a_known_confirmation_with_another_amount_is_refused(desk: Desk, northwind: Account) -> None:
    review = desk.review(ADJUST, amount="5", reason="Goodwill")
    desk.confirm(ADJUST, review)
    for changed in ({"amount": "6"}, {"purse": "granted"}):
        again = desk.client.post(ADJUST, dict(review.context["hidden"]) | changed)
        assert again.status_code == 409 and "made before, with other values" in words(again)
    assert wallet(northwind).paid == 5 and wallet(northwind).granted == 0


def test_two_forms_adjust_twice(desk: Desk, northwind: Account) -> None:
    desk.do(ADJUST, amount="5", reason="Goodwill")
    desk.do(ADJUST, amount="5", reason="Goodwill")
    assert wallet(northwind).paid == 10


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"amount": "ten"}, "“ten” is not an amount; write it like 250.00."),
        ({"amount": ""}, "This field is required."),
        ({"amount": "0"}, "must not be zero"),
        ({"amount": "NaN"}, "not an amount"),
        ({"amount": "9" * 30}, "not an amount that can be booked"),
        ({"amount": "1e30"}, "is not an amount"),
        ({"amount": "2000000000"}, "At most 1,000,000,000 is adjusted at once"),
        ({"amount": "0.0000001"}, "more decimal places than 6"),
        ({"amount": "-1", "purse": "granted"}, "Only 0.00 of granted credit is left."),
        ({"reason": ""}, "This field is required."),
        ({"reason": "   "}, "This field is required."),
        ({"purse": "mine"}, "Select a valid choice"),
        ({"token": "x"}, "This form was not complete. Open it again."),
    ],
)
def test_nonsense_is_explained_beside_its_field_and_what_was_typed_stays(
    desk: Desk, northwind: Account, typed: dict[str, str], says: str
) -> None:
    answer = desk.review(ADJUST, **{"amount": "5", "reason": "Goodwill of Nov 3"} | typed)
    assert answer.status_code == 400
    assert says in words(answer)
    for value in ({"amount": "5", "reason": "Goodwill of Nov 3"} | typed).values():
        assert value.strip() in answer.content.decode()
    assert wallet(northwind).paid == 0


def test_going_back_from_the_review_keeps_what_was_typed_and_begins_anew(desk: Desk, northwind: Account) -> None:
    review = desk.review(ADJUST, amount="5", reason="Goodwill & more", purse="granted")
    form = desk.client.get(review.context["back_url"]).context["form"]
    assert form.initial["amount"] == "5" and form.initial["reason"] == "Goodwill & more"
    assert form.initial["purse"] == "granted"
    assert str(form.initial["token"]) != review.context["hidden"]["token"]


def test_the_forms_need_their_csrf_token(desk: Desk, northwind: Account) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(desk.staff)
    fields = desk.fill(ADJUST, amount="5", reason="x") | {"confirmed": "yes"}
    assert strict.post(ADJUST, fields).status_code == 403
    assert wallet(northwind).paid == 0


@pytest.mark.parametrize(
    "path", ["accounts/nobody/", "accounts/northwind/wallets/fax/", "accounts/nobody/wallets/sms/"]
)
def test_what_is_not_there_is_not_found(desk: Desk, northwind: Account, path: str) -> None:
    assert desk.get(f"/desk/{path}").status_code == 404


def test_the_record_is_filtered_and_paged(desk: Desk, northwind: Account) -> None:
    for count in range(60):
        funded(northwind, amount=str(count + 1))
    first = desk.get(PAGE)
    assert len(first.context["record"]) == 50
    older = desk.get(PAGE, older=first.context["older"])
    assert len(older.context["record"]) == 10 and older.context["newer"]
    assert desk.get(PAGE, kind="usage").context["record"] == []
    assert desk.get(PAGE, older="nonsense").status_code == 400
