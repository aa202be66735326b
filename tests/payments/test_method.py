"""Cards: added, made the default, removed; written down without their tokens."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from django.db import connection

from tests.refills.shop import OWNER, Shop
from tests.together import together
from tollbook.accounts.tables import AuditEntry
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.payments import method
from tollbook.payments.method import NewMethod
from tollbook.payments.tables import PaymentMethod

VISA = NewMethod("simulated", "sim_4242", "Visa", "4242", 12, 2040)
MASTERCARD = NewMethod("simulated", "sim_4444", "Mastercard", "4444", 12, 2040)
AMEX = NewMethod("simulated", "sim_0005", "American Express", "0005", 12, 2040)


def test_the_first_card_is_the_default_and_the_second_is_not(shop: Shop) -> None:
    first = method.add(shop.id, VISA, OWNER)
    second = method.add(shop.id, MASTERCARD, OWNER)
    assert method.default_of(shop.id) == first
    method.make_default(shop.id, second.id, OWNER)
    method.make_default(shop.id, second.id, OWNER)
    assert method.default_of(shop.id) == second
    assert method.of_account(shop.id) == [second, first]
    assert (method.label(second), method.printed(second)) == ("Mastercard •• 4444", "Mastercard ending 4444")


def test_no_other_card_takes_the_place_of_a_removed_default(shop: Shop) -> None:
    first = method.add(shop.id, VISA, OWNER)
    method.add(shop.id, MASTERCARD, OWNER)
    method.remove(shop.id, first.id, OWNER)
    assert method.default_of(shop.id) is None
    with pytest.raises(NotFound):
        method.remove(shop.id, first.id, OWNER)
    with pytest.raises(NotFound):
        method.make_default(shop.id, first.id, OWNER)


def test_every_change_is_in_the_trail_without_the_token(shop: Shop) -> None:
    first = method.add(shop.id, VISA, OWNER)
    second = method.add(shop.id, MASTERCARD, OWNER)
    method.make_default(shop.id, second.id, OWNER)
    method.remove(shop.id, first.id, OWNER)
    entries = AuditEntry.objects.filter(account_id=shop.id, action__startswith="payment_method.").order_by("id")
    assert [entry.action.split(".")[1] for entry in entries] == ["add", "add", "default", "remove"]
    assert (entries[2].before, entries[2].after) == ({"card": "Visa •• 4242"}, {"card": "Mastercard •• 4444"})
    assert not any("sim_" in str(entry.before) + str(entry.after) for entry in entries)


def test_a_card_is_there_once(shop: Shop) -> None:
    added = method.add(shop.id, VISA, OWNER)
    with pytest.raises(Conflict):
        method.add(shop.id, VISA, OWNER)
    method.remove(shop.id, added.id, OWNER)
    assert method.add(shop.id, VISA, OWNER).id != added.id


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("gateway", NewMethod("stripe", "t", "Visa", "4242", 12, 2040)),
        ("last4", NewMethod("simulated", "t", "Visa", "42", 12, 2040)),
        ("last4", NewMethod("simulated", "", "Visa", "4242", 12, 2040)),
        ("expires_month", NewMethod("simulated", "t", "Visa", "4242", 13, 2040)),
        ("expires_year", NewMethod("simulated", "t", "Visa", "4242", 12, datetime.now(UTC).year - 1)),
    ],
)
def test_what_can_not_be_a_card_is_refused(shop: Shop, field: str, new: NewMethod) -> None:
    with pytest.raises(Invalid) as refused:
        method.add(shop.id, new, OWNER)
    assert refused.value.details["field"] == field


def test_another_accounts_card_is_not_found(shop: Shop) -> None:
    card = method.add(shop.id, VISA, OWNER)
    other = Shop(shop.db, "contoso")
    with pytest.raises(NotFound):
        method.make_default(other.id, card.id, OWNER)


def test_two_cards_added_at_once_leave_one_default(shop: Shop) -> None:
    cards = iter([VISA, MASTERCARD])
    together(2, lambda: method.add(shop.id, next(cards), OWNER))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE is_default) FROM payment_method")
        assert cursor.fetchone() == (2, 1)


def roles(shop: Shop) -> dict[str, str]:
    words = {(True, False): "default", (False, True): "backup", (False, False): ""}
    return {card.last4: words[card.is_default, card.is_backup] for card in method.of_account(shop.id)}


def test_the_second_card_is_the_backup_and_a_third_is_neither(shop: Shop) -> None:
    for new in (VISA, MASTERCARD, AMEX):
        method.add(shop.id, new, OWNER)
    assert roles(shop) == {"4242": "default", "4444": "backup", "0005": ""}


def test_default_and_backup_change_places(shop: Shop) -> None:
    method.add(shop.id, VISA, OWNER)
    other = method.add(shop.id, MASTERCARD, OWNER)
    method.make_default(shop.id, other.id, OWNER)
    assert roles(shop) == {"4444": "default", "4242": "backup"}


def test_any_card_but_the_default_may_be_the_backup_or_none(shop: Shop) -> None:
    first, _, third = (method.add(shop.id, new, OWNER) for new in (VISA, MASTERCARD, AMEX))
    method.make_backup(shop.id, third.id, OWNER)
    assert roles(shop) == {"4242": "default", "0005": "backup", "4444": ""}
    with pytest.raises(Conflict):
        method.make_backup(shop.id, first.id, OWNER)
    method.make_backup(shop.id, None, OWNER)
    assert method.backup_of(shop.id) is None
    trail = AuditEntry.objects.filter(account_id=shop.id, action="payment_method.backup").order_by("id")
    assert [(line.before, line.after) for line in trail] == [
        ({"card": "Mastercard •• 4444"}, {"card": "American Express •• 0005"}),
        ({"card": "American Express •• 0005"}, None),
    ]


def test_a_number_typed_twice_is_one_card_and_a_renewed_one_is_another(shop: Shop) -> None:
    known = replace(VISA, token="t1", fingerprint="same")
    method.add(shop.id, known, OWNER)
    with pytest.raises(Conflict):
        method.add(shop.id, replace(known, token="t2"), OWNER)
    method.add(shop.id, replace(known, token="t3", expires_year=2041), OWNER)


def test_what_the_bank_changed_is_taken_over(shop: Shop) -> None:
    added = method.add(shop.id, VISA, OWNER)
    assert not method.refresh(shop.id, VISA)
    assert method.refresh(shop.id, replace(VISA, last4="1881", expires_year=2044))
    assert not method.refresh(shop.id, replace(MASTERCARD, expires_year=2044)), "it is not this account's card"
    renewed = method.find(shop.id, added.id)
    assert (renewed.last4, renewed.expires_year, renewed.is_default) == ("1881", 2044, True)


def test_a_card_is_good_to_the_last_day_of_its_month(shop: Shop) -> None:
    card = method.add(shop.id, replace(VISA, expires_month=2, expires_year=2040), OWNER)
    assert method.expires_on(card) == date(2040, 2, 29)
    days = (date(2040, 1, 29), date(2040, 1, 30), date(2040, 2, 29), date(2040, 3, 1))
    assert [method.expiry(card, day) for day in days] == ["good", "soon", "soon", "expired"]


def test_cards_in_use_that_expire_are_told_of(shop: Shop) -> None:
    good, soon, unused = (method.add(shop.id, new, OWNER) for new in (VISA, MASTERCARD, AMEX))
    PaymentMethod.objects.filter(id=soon.id).update(expires_month=2)
    with shop.db.connect("owner") as owner:
        owner.execute("UPDATE payment_method SET expires_month = 2 WHERE id = %s", [unused.id])
    assert method.expiring(date(2040, 1, 29)) == []
    assert [card.id for card in method.expiring(date(2040, 1, 30))] == [soon.id]
    assert {card.id for card in method.expiring(date(2040, 12, 31))} == {good.id, soon.id}
