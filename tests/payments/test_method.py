"""Cards: added, made the default, removed; written down without their tokens."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from tests.refills.shop import OWNER, Shop
from tests.together import together
from tollbook.accounts.tables import AuditEntry
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.payments import method
from tollbook.payments.method import NewMethod

VISA = NewMethod("simulated", "sim_4242", "Visa", "4242", 12, 2040)
MASTERCARD = NewMethod("simulated", "sim_4444", "Mastercard", "4444", 12, 2040)


def test_the_first_card_is_the_default_and_the_second_is_not(shop: Shop) -> None:
    first = method.add(shop.id, VISA, OWNER)
    second = method.add(shop.id, MASTERCARD, OWNER)
    assert method.default_of(shop.id) == first
    method.make_default(shop.id, second.id, OWNER)
    method.make_default(shop.id, second.id, OWNER)
    assert method.default_of(shop.id) == second
    assert method.of_account(shop.id) == [first, second]
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
