"""A rate sheet at the desk: uploaded, reviewed, confirmed."""

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.cast import a_rate
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.rating.tables import Rate

IMPORT = "/desk/rates/import/"
SHEET = "Code,Destination,Rate,Valid\n*,Elsewhere,1.20,x\n1212,New York,1.5,x\n44,United Kingdom,2,x\n"
LATER = {"type": "outbound", "valid_from": "2036-12-01T00:00"}


def uploaded(text: str = SHEET) -> SimpleUploadedFile:
    return SimpleUploadedFile("carrier.csv", text.encode(), "text/csv")


@pytest.fixture
def rates(db) -> None:
    a_rate(cents="1.20", initial=1, step=1)
    a_rate(cents="1", prefix="1212", initial=1, step=1)


def test_a_sheet_is_imported_after_a_review_of_what_it_changes(desk: Desk, rates: None) -> None:
    review = desk.review(IMPORT, file=uploaded(), **LATER)
    text = words(review)
    assert "Outbound Minutes: 3 rates, for everybody without rates of their own" in text
    assert "From Dec 1, 2036 00:00 UTC. Prefixes: 1 new, 1 dearer, 1 unchanged." in text and "Not read: Valid." in text
    assert "+44, new none 2.00 ¢" in text and "+1212, dearer 1.00 ¢ 1.50 ¢ (+50.0 %)" in text
    assert Rate.objects.count() == 2
    desk.confirm(IMPORT, review)
    assert Rate.objects.get(prefix="1212", valid_until=None).rate_cents == Decimal("1.5")
    (line,) = trail(OPERATOR_ID, "rate.import")
    assert line.actor_name == desk.staff.email and line.reason.startswith("carrier.csv (SHA-256 ")
    assert "Rates imported" in desk.read("/desk/rates/")


def test_a_confirmation_sent_twice_gives_one(desk: Desk, rates: None) -> None:
    review = desk.review(IMPORT, file=uploaded(), **LATER)
    assert [desk.confirm(IMPORT, review).status_code for _ in range(2)] == [302, 302]
    assert Rate.objects.count() == 4


def test_an_account_gets_a_deck_of_its_own_in_dollars(desk: Desk, northwind: Account) -> None:
    desk.do(IMPORT, file=uploaded("prefix,Rate USD\n1,0.01\n"), **LATER, account="northwind", rates_in="currency")
    assert Rate.objects.get(account_id=northwind.id).rate_cents == 1


def test_bad_lines_are_named_beside_the_file_or_left_out(desk: Desk, rates: None) -> None:
    bad = SHEET + "4x,,1,\n" + "".join(f"5{n},,free,\n" for n in range(30))
    refused = desk.review(IMPORT, file=uploaded(bad), **LATER)
    assert refused.status_code == 400
    assert "Line 5: “4x” is not a prefix" in words(refused) and "And 11 more bad lines." in words(refused)
    review = desk.review(IMPORT, file=uploaded(bad), **LATER, skip_bad_lines="on")
    assert "31 lines are left out." in words(review)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "Choose a file."),
        ({"packed": "nonsense"}, "This form was not complete."),
        ({"packed": "eJw="}, "This form was not complete."),
        ({"file": uploaded("1,2\n")}, "The first line must name the columns"),
        ({"file": uploaded("prefix,rate\n")}, "There is no rate in this sheet."),
        ({"file": uploaded("prefix,rate $\n1,1\n")}, "in cents per unit or in whole currency units?"),
        ({"file": uploaded(), "valid_from": "2019-01-01T00:00"}, "begins at 2020-01-01"),
        ({"file": uploaded(), "account": "nobody"}, "There is no account “nobody”"),
    ],
)
def test_what_can_not_be_imported_is_told_in_the_form(desk: Desk, rates: None, wrong: dict, says: str) -> None:
    refused = desk.review(IMPORT, **LATER | wrong)
    assert refused.status_code == 400 and says in words(refused)
    assert Rate.objects.count() == 2
