"""Start, change the quantity of, and end a subscription; what was in force stays."""

import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections

from tollbook.accounts.account import NewAccount, open_account, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, AuditEntry
from tollbook.errors import Conflict, Invalid, NotFound, Refused
from tollbook.postgres.ids import new_id
from tollbook.subscriptions import component
from tollbook.subscriptions.fees import fees
from tollbook.subscriptions.subscribe import NewSubscription, change_quantity, end, start
from tollbook.subscriptions.tables import FeeKind, Subscription

DAY = timedelta(days=1)


@pytest.fixture
def today(account: Account) -> date:
    """Today, a fortnight away from the billing day."""
    account.anchor_on = today_in(account) - 14 * DAY
    account.save(update_fields=["anchor_on"])
    return today_in(account)


def rows(account: Account) -> list[tuple[Decimal, date, date | None]]:
    found = Subscription.objects.filter(account_id=account.id).order_by("created_at")
    return list(found.values_list("quantity", "starts_on", "ends_on"))


def test_a_change_ends_one_row_and_starts_another(account: Account, today: date) -> None:
    old = start(account, NewSubscription("seats", today - 40 * DAY, Decimal(5)), SYSTEM)
    change_quantity(account, old.id, Decimal("7.5"), today + 3 * DAY, SYSTEM)
    assert rows(account) == [(5, today - 40 * DAY, today + 2 * DAY), (Decimal("7.5"), today + 3 * DAY, None)]
    assert [line.quantity for line in fees(account, today).recurring] == [5]
    assert [line.quantity for line in fees(account, today + 3 * DAY).recurring] == [Decimal("7.5")]


def test_a_change_keeps_the_price_the_account_has(account: Account, today: date) -> None:
    old = start(account, NewSubscription("seats", today, Decimal(5), price=Decimal(19)), SYSTEM)
    assert change_quantity(account, old.id, Decimal(6), today + DAY, SYSTEM).price == Decimal(19)


def test_a_change_from_the_first_day_takes_the_old_row_back(account: Account, today: date) -> None:
    old = start(account, NewSubscription("seats", today + 5 * DAY, Decimal(5)), SYSTEM)
    change_quantity(account, old.id, Decimal(6), today + 5 * DAY, SYSTEM)
    assert [line.quantity for line in fees(account, today + 5 * DAY).recurring] == [6]
    assert rows(account)[0] == (5, today + 5 * DAY, today + 4 * DAY)


def test_the_past_is_not_changed_because_it_explains_invoices(account: Account, today: date) -> None:
    old = start(account, NewSubscription("seats", today - 40 * DAY), SYSTEM)
    with pytest.raises(Invalid, match="at the earliest"):
        change_quantity(account, old.id, Decimal(2), today - DAY, SYSTEM)
    with pytest.raises(Invalid, match="at the earliest"):
        end(account, old.id, today - 2 * DAY, SYSTEM)
    assert rows(account) == [(1, today - 40 * DAY, None)]


def test_on_a_billing_day_a_change_waits_until_tomorrow(account: Account, today: date) -> None:
    account.anchor_on = today
    old = start(account, NewSubscription("seats", today), SYSTEM)
    with pytest.raises(Invalid, match="at the earliest"):
        change_quantity(account, old.id, Decimal(2), today, SYSTEM)
    with pytest.raises(Invalid, match="at the earliest"):
        end(account, old.id, today - DAY, SYSTEM)
    change_quantity(account, old.id, Decimal(2), today + DAY, SYSTEM)


def test_an_end_keeps_the_row_and_its_history(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today - 40 * DAY), SYSTEM)
    end(account, row.id, today + 9 * DAY, SYSTEM)
    assert len(fees(account, today + 9 * DAY).recurring) == 1
    assert fees(account, today + 10 * DAY).recurring == []


def test_an_end_can_be_brought_forward_but_not_put_off(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    change_quantity(account, row.id, Decimal(2), today + 5 * DAY, SYSTEM)
    with pytest.raises(Invalid, match="already"):
        end(account, row.id, today + 20 * DAY, SYSTEM)
    end(account, row.id, today + 2 * DAY, SYSTEM)


def test_what_has_ended_stays_ended(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today - 40 * DAY, ends_on=today - 9 * DAY), SYSTEM)
    with pytest.raises(Conflict, match="ended on"):
        end(account, row.id, today, SYSTEM)
    with pytest.raises(Invalid, match="in force"):
        change_quantity(account, row.id, Decimal(2), today, SYSTEM)


def test_a_setup_fee_is_taken_back_before_its_billing_day_only(account: Account, today: date) -> None:
    coming = start(account, NewSubscription("onboarding", today), SYSTEM)
    end(account, coming.id, today, SYSTEM)
    assert fees(account, today).setup == []
    billed = start(account, NewSubscription("onboarding", today - 20 * DAY), SYSTEM)
    with pytest.raises(Invalid, match="billing day"):
        end(account, billed.id, today, SYSTEM)


def test_every_change_is_in_the_audit_trail(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    changed = change_quantity(account, row.id, Decimal(2), today + DAY, SYSTEM)
    end(account, changed.id, today + 5 * DAY, SYSTEM)
    trail = AuditEntry.objects.filter(account_id=account.id, target="subscription/seats").order_by("id")
    assert [entry.action.split(".")[1] for entry in trail] == ["start", "change_quantity", "end"]
    assert trail[1].before["quantity"] == "1.000" and trail[1].after["quantity"] == "2"


@pytest.mark.parametrize(
    "new",
    [
        {"quantity": Decimal(0)},
        {"quantity": Decimal(-1)},
        {"quantity": Decimal("0.0001")},
        {"quantity": Decimal("NaN")},
        {"price": Decimal(-1)},
        {"price": Decimal("0.0000001")},
        {"starts_on": date(1926, 1, 1)},
        {"ends_on": date(2020, 1, 1)},
        {"component_code": "onboarding", "ends_on": date(2060, 1, 1)},
    ],
)
def test_what_makes_no_sense_is_refused(account: Account, today: date, new: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        start(account, NewSubscription(**{"component_code": "seats", "starts_on": today, **new}), SYSTEM)
    assert rows(account) == []


def test_unknown_and_withdrawn_components_are_refused(account: Account, today: date) -> None:
    with pytest.raises(NotFound):
        start(account, NewSubscription("hats", today), SYSTEM)
    component.withdraw("seats", SYSTEM)
    with pytest.raises(Invalid, match="no longer offered"):
        start(account, NewSubscription("seats", today), SYSTEM)


def test_a_components_new_price_is_for_new_subscriptions(account: Account, today: date) -> None:
    start(account, NewSubscription("seats", today), SYSTEM)
    component.offer("seats", "Agent seats", FeeKind.RECURRING, Decimal(40), SYSTEM)
    start(account, NewSubscription("seats", today), SYSTEM)
    assert sorted(line.price for line in fees(account, today).recurring) == [Decimal("24.995"), Decimal(40)]
    with pytest.raises(Invalid, match="stays one"):
        component.offer("seats", "Agent seats", FeeKind.SETUP, Decimal(40), SYSTEM)


def test_another_accounts_subscription_is_not_found(account: Account, today: date) -> None:
    other = open_account(NewAccount("contoso", "Contoso", today), SYSTEM)
    row = start(account, NewSubscription("seats", today), SYSTEM)
    for verb in (lambda: end(other, row.id, today, SYSTEM), lambda: end(account, new_id(), today, SYSTEM)):
        with pytest.raises(NotFound):
            verb()


def test_two_changes_at_once_never_leave_two_rows_in_force(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today - 40 * DAY), SYSTEM)
    refused: list[Refused] = []

    def change(quantity: int) -> None:
        try:
            change_quantity(account, row.id, Decimal(quantity), today + DAY, SYSTEM)
        except Refused as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=change, args=(quantity,)) for quantity in (2, 3, 4, 5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(refused) == 3
    assert len(fees(account, today + DAY).recurring) == 1


def test_the_database_lets_nobody_change_what_was_subscribed(account: Account, today: date) -> None:
    start(account, NewSubscription("seats", today), SYSTEM)
    for statement in (
        "UPDATE subscription SET quantity = 2",
        "UPDATE subscription SET price = 0",
        "DELETE FROM subscription",
    ):
        with pytest.raises(Exception, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement)
