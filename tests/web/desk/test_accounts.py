"""Opening accounts, changing their facts, and finding them."""

from decimal import Decimal

import pytest

from tests.cast import an_account, funded
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.tables import Account
from tollbook.wallets.tables import Wallet

NEW = "/desk/accounts/new/"
EDIT = "/desk/accounts/northwind/edit/"
CONTOSO = {"name": "Contoso Support", "slug": "contoso", "anchor_on": "2026-12-31", "timezone": "America/New_York"}


def test_an_account_is_opened_with_its_wallets_after_a_review(desk: Desk) -> None:
    review = desk.review(NEW, **CONTOSO)
    assert "Its billing day is the 31st of each month, in America/New_York time." in words(review)
    assert Account.objects.count() == 0
    done = desk.confirm(NEW, review)
    assert done["Location"] == "/desk/accounts/contoso/"
    account = Account.objects.get()
    assert (account.name, account.currency, account.timezone) == ("Contoso Support", "USD", "America/New_York")
    assert Wallet.objects.filter(account_id=account.id).count() == 7
    [line] = trail(account.id, "account.open")
    assert line.actor_name == desk.staff.email
    assert "Account opened" in desk.read("/desk/accounts/contoso/")


def test_a_confirmation_sent_twice_opens_one(desk: Desk) -> None:
    review = desk.review(NEW, **CONTOSO)
    desk.confirm(NEW, review)
    again = desk.confirm(NEW, review)
    assert again.status_code == 409 and "There is an account “contoso” already." in words(again)
    assert Account.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"slug": "Con toso"}, "Enter a valid “slug”"),
        ({"slug": "CONTOSO"}, "small letters, digits and hyphens only"),
        ({"slug": "new"}, "is an address of the desk"),
        ({"currency": "dollars"}, "at most 3 characters"),
        ({"currency": "usd"}, "three capital letters"),
        ({"timezone": "Mars/Olympus"}, "“Mars/Olympus” is not a time zone"),
        ({"anchor_on": "soon"}, "Write a day like 2026-12-01."),
        ({"country": "USA"}, "Two capital letters"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_nonsense_opens_nothing_and_stays_in_the_form(desk: Desk, typed: dict[str, str], says: str) -> None:
    review = desk.review(NEW, **CONTOSO | typed)
    answer = review if review.status_code == 400 else desk.confirm(NEW, review)
    assert answer.status_code == 400
    assert says in words(answer).replace("Ensure this value has at most 3 characters", "at most 3 characters")
    assert "Contoso" in answer.content.decode() or typed.get("name") == ""
    assert Account.objects.count() == 0


def test_facts_change_after_a_review_of_before_and_after(desk: Desk, northwind: Account) -> None:
    review = desk.review(EDIT, legal_name="Northwind, Inc.", terms_days="30")
    assert "Legal name – Northwind, Inc." in words(review) and "Terms days 14 30" in words(review)
    assert "Tax ID" not in words(review)
    northwind.refresh_from_db()
    assert northwind.legal_name == ""
    desk.confirm(EDIT, review)
    northwind.refresh_from_db()
    assert (northwind.legal_name, northwind.terms_days) == ("Northwind, Inc.", 30)
    [line] = trail(northwind.id, "account.change")
    assert line.before == {"legal_name": "", "terms_days": "14"}
    assert line.after == {"legal_name": "Northwind, Inc.", "terms_days": "30"}


def test_the_zero_rule_and_its_limit_go_together(desk: Desk, northwind: Account) -> None:
    refused = desk.review(EDIT, zero_rule="overdraft")
    assert refused.status_code == 400 and "Say how far below zero the balance may go." in words(refused)
    review = desk.review(EDIT, zero_rule="overdraft", overdraft_limit="50")
    assert "may go down to −$50.00" in words(review)
    desk.confirm(EDIT, review)
    northwind.refresh_from_db()
    assert (northwind.zero_rule, northwind.overdraft_limit) == ("overdraft", Decimal(50))


def test_a_change_that_changes_nothing_leaves_no_line(desk: Desk, northwind: Account) -> None:
    review = desk.review(EDIT)
    assert "Nothing would change." in words(review)
    desk.confirm(EDIT, review)
    desk.confirm(EDIT, review)
    assert trail(northwind.id, "account.change") == []


def test_currency_short_name_and_billing_day_are_not_in_the_form(desk: Desk, northwind: Account) -> None:
    fields = desk.get(EDIT).context["form"].fields
    assert not {"currency", "slug", "anchor_on"} & set(fields)


def test_the_list_finds_by_a_part_of_the_name_and_shows_how_accounts_stand(desk: Desk, northwind: Account) -> None:
    an_account("contoso")
    funded(northwind, amount="12.50")
    assert "Northwind northwind $12.50 $0.00" in desk.read("/desk/accounts/")
    assert "Northwind" not in desk.read("/desk/accounts/", q="toso")
    assert "No account is called that" in desk.read("/desk/accounts/", q="%")


def test_the_desk_begins_with_accounts_and_the_switch(desk: Desk, northwind: Account) -> None:
    page = desk.read("/desk/")
    assert "Refills are on" in page and "Northwind" in page


def test_the_whole_trail_has_a_page(desk: Desk, northwind: Account) -> None:
    assert "Account opened" in desk.read("/desk/accounts/northwind/audit/")


def test_search_finds_accounts_by_name_and_asks_when_empty(desk: Desk, northwind: Account) -> None:
    assert "Northwind northwind" in desk.read("/desk/search/", q="north")
    assert "What are you looking for?" in desk.read("/desk/search/")
    assert "Nothing is called that" in desk.read("/desk/search/", q="a\0b")
