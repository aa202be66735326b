"""Taking an event back at the desk: through the form, its review and its confirmation, with a reason."""

from decimal import Decimal

import pytest

from tests.cast import NOON, a_rate, funded, wallet
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.tables import UsageReversal

REVERSE = "/desk/accounts/northwind/wallets/outbound/reverse/?id=call%2F1"


@pytest.fixture
def northwind(northwind: Account) -> Account:
    a_rate(cents="60", initial=1, step=1)
    funded(northwind)
    record(northwind.id, [Event("call/1", "outbound", Decimal(61), NOON, to="+12125550100")])
    return northwind


def test_an_event_found_by_its_id_is_taken_back(desk: Desk, northwind: Account) -> None:
    assert "Reverse" in desk.read("/desk/search/", q="call/1")
    review = desk.review(REVERSE, reason="One-way audio")
    told = words(review)
    assert "Reverse 61 s of call/1 of Northwind" in told and "$0.61 goes back to the wallet" in told
    assert "Balance $99.39 $100.00" in told and wallet(northwind).paid == Decimal("99.39")
    done = desk.confirm(REVERSE, review)
    assert done.status_code == 302 and wallet(northwind).paid == 100
    [line] = trail(northwind.id, "event.reverse")
    assert (line.actor_name, line.reason, line.before["event"]) == (desk.staff.email, "One-way audio", "call/1")
    kept = UsageReversal.objects.get()
    assert (kept.actor, kept.reason) == (desk.staff.email, "One-way audio")
    page = desk.read(done["Location"])
    assert "call/1 gave back $0.61." in page and "Usage corrected" in page
    assert "Takes back call/1" in desk.read("/desk/search/", q=kept.event_id)
    assert audit() == []


def test_a_part_is_taken_back_and_a_confirmation_sent_twice_counts_once(desk: Desk, northwind: Account) -> None:
    review = desk.review(REVERSE, reason="Cut off", quantity="31")
    assert desk.confirm(REVERSE, review).status_code == 302
    assert desk.confirm(REVERSE, review).status_code in (302, 409)
    assert wallet(northwind).paid == Decimal("99.70") and len(trail(northwind.id, "event.reverse")) == 1


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"quantity": "62"}, "Only 61 of this event is left to take back."),
        ({"quantity": "-1"}, "above zero"),
        ({"quantity": "x"}, "is not an amount"),
        ({"reason": ""}, "This field is required."),
    ],
)
def test_nonsense_is_explained(desk: Desk, northwind: Account, typed: dict[str, str], says: str) -> None:
    answer = desk.review(REVERSE, **{"reason": "x"} | typed)
    assert answer.status_code == 400 and says in words(answer)


@pytest.mark.parametrize("query", ["", "?id=nobody", "?id=%00"])
def test_what_is_not_there_is_not_found(desk: Desk, northwind: Account, query: str) -> None:
    assert desk.get(REVERSE.partition("?")[0] + query).status_code == 404
