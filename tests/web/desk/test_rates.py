"""Giving rates, listing them, and what a number would cost."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.cast import a_rate
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.rating.tables import Rate

NEW = "/desk/rates/new/"
DEAR = {"type": "outbound", "rate_cents": "1.30", "valid_from": "2036-12-01T00:00"}


def test_a_rate_is_given_after_a_review_of_before_and_after(desk: Desk, northwind: Account) -> None:
    a_rate(cents="1.20")
    review = desk.review(NEW, **DEAR, initial_seconds="6", increment_seconds="6")
    text = words(review)
    assert "Outbound Minutes to all destinations, for everybody without a rate of their own" in text
    assert "From Dec 1, 2036 00:00 UTC." in text and "1.20 ¢/min 1.30 ¢/min" in text and "6/6 s 6/6 s" in text
    assert Rate.objects.count() == 1
    desk.confirm(NEW, review)
    old, new = Rate.objects.order_by("valid_from")
    assert old.valid_until == new.valid_from == datetime(2036, 12, 1, tzinfo=UTC)
    assert (new.rate_cents, new.created_by) == (Decimal("1.30"), desk.staff.email)
    [*_, line] = trail(OPERATOR_ID, "rate.set")
    assert line.before["rate_cents"] == "1.200000"
    assert "Coming" in desk.read("/desk/rates/", type="outbound", all="on")
    assert "1.30" not in desk.read("/desk/rates/", type="outbound").split("Audit trail")[0]


def test_a_confirmation_sent_twice_gives_one(desk: Desk, northwind: Account) -> None:
    review = desk.review(NEW, **DEAR)
    assert [desk.confirm(NEW, review).status_code for _ in range(2)] == [302, 302]
    assert Rate.objects.count() == 1 and len(trail(OPERATOR_ID, "rate.set")) == 1


def test_another_rate_from_the_same_instant_is_refused_beside_its_field(desk: Desk, northwind: Account) -> None:
    desk.do(NEW, **DEAR)
    again = desk.do(NEW, **DEAR | {"rate_cents": "9"})
    assert again.status_code == 409 and "choose a later start" in words(again)


def test_an_account_gets_a_rate_of_its_own(desk: Desk, northwind: Account) -> None:
    a_rate(cents="1.20")
    desk.do(NEW, **DEAR | {"valid_from": "2026-01-01T00:00", "rate_cents": "0.9"}, account="northwind", prefix="+1212")
    rate = Rate.objects.get(account_id=northwind.id)
    assert (rate.prefix, rate.rate_cents) == ("1212", Decimal("0.9"))
    assert "+1212" in desk.read("/desk/rates/", account="northwind", prefix="12")
    own = desk.read("/desk/rates/quote/", account="northwind", type="outbound", number="+12125550123", quantity="60")
    assert "Northwind's own" in own and "0.90 ¢/min, prefix +1212" in own
    assert "Everybody's default" in desk.read(
        "/desk/rates/quote/", type="outbound", number="12125550123", quantity="60"
    )


def test_without_a_rate_the_quote_says_that_usage_is_refused(desk: Desk) -> None:
    assert "There is no rate" in desk.read("/desk/rates/quote/", type="sms", number="", quantity="1")
    assert desk.get("/desk/rates/quote/", type="sms", number="abc", quantity="1").status_code == 400


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"rate_cents": "-1"}, "A price can't be negative."),
        ({"rate_cents": "99999999"}, "A price is 1,000,000 at most"),
        ({"rate_cents": "cheap"}, "not an amount"),
        ({"prefix": "12a"}, "A prefix is digits only"),
        ({"type": "fax"}, "Select a valid choice"),
        ({"valid_from": "now"}, "Enter a valid date/time."),
        ({"initial_seconds": "0"}, "greater than or equal to 1"),
        ({"account": "nobody"}, "There is no account “nobody”."),
    ],
)
def test_nonsense_gives_no_rate(desk: Desk, typed: dict[str, str], says: str) -> None:
    answer = desk.review(NEW, **DEAR | typed)
    assert answer.status_code == 400 and says in words(answer)
    assert Rate.objects.count() == 0


def test_nonsense_in_the_filter_is_explained(desk: Desk) -> None:
    answer = desk.get("/desk/rates/", account="nobody")
    assert answer.status_code == 400 and "There is no account “nobody”." in words(answer)
