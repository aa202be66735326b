"""Start a subscription, change it from a day on, end it; what was in force stays."""

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
from tollbook.subscriptions.change import Wanted, change_quantity, end, make, take_back
from tollbook.subscriptions.fees import fees
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, FeeKind, Subscription, SubscriptionChange

DAY = timedelta(days=1)


@pytest.fixture
def today(account: Account) -> date:
    """Today, a fortnight away from the billing day."""
    account.anchor_on = today_in(account) - 14 * DAY
    account.save(update_fields=["anchor_on"])
    return today_in(account)


def known(account: Account, day: date) -> list[tuple[Decimal, Decimal]]:
    return [(fee.quantity, fee.price) for fee in fees(account, day).recurring]


def test_a_change_counts_from_its_day_on(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today - 40 * DAY, Decimal(5), price=Decimal(19)), SYSTEM)
    change_quantity(account, row.id, Decimal("7.5"), today + 3 * DAY, SYSTEM)
    assert known(account, today) == known(account, today + 2 * DAY) == [(5, 19)]
    assert known(account, today + 3 * DAY) == [(Decimal("7.5"), 19)]


def test_what_was_agreed_at_the_start_stays_recorded(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today + 5 * DAY, Decimal(5)), SYSTEM)
    change_quantity(account, row.id, Decimal(6), today + 5 * DAY, SYSTEM)
    assert known(account, today + 5 * DAY) == [(6, Decimal("24.995"))]
    assert Subscription.objects.get(account_id=account.id, id=row.id).quantity == 5


def test_the_past_is_not_changed_because_it_explains_invoices(account: Account, today: date) -> None:
    old = start(account, NewSubscription("seats", today - 40 * DAY), SYSTEM)
    with pytest.raises(Invalid, match="at the earliest"):
        change_quantity(account, old.id, Decimal(2), today - DAY, SYSTEM)
    with pytest.raises(Invalid, match="at the earliest"):
        end(account, old.id, today - 2 * DAY, SYSTEM)
    assert SubscriptionChange.objects.count() == 0


def test_on_a_billing_day_a_change_waits_until_tomorrow(account: Account, today: date) -> None:
    account.anchor_on = today
    account.save(update_fields=["anchor_on"])
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


def test_an_end_can_be_moved_while_it_lies_ahead(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    for days in (20, 2, 9):
        end(account, row.id, today + days * DAY, SYSTEM)
        [fee] = fees(account, today).recurring
        assert fee.ends_on == today + days * DAY
    with pytest.raises(Invalid, match="already"):
        end(account, row.id, today + 9 * DAY, SYSTEM)


def test_an_end_can_be_called_off_while_it_lies_ahead(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    go_on = Wanted(ChangeKind.END, today)
    with pytest.raises(Conflict, match="no last day"):
        make(account, row.id, go_on, SYSTEM)
    end(account, row.id, today + 2 * DAY, SYSTEM)
    make(account, row.id, go_on, SYSTEM)
    assert fees(account, today).recurring[0].ends_on is None


def test_what_has_ended_stays_ended(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today - 40 * DAY, ends_on=today - 9 * DAY), SYSTEM)
    with pytest.raises(Conflict, match="ended on"):
        end(account, row.id, today, SYSTEM)
    with pytest.raises(Conflict, match="ended on"):
        change_quantity(account, row.id, Decimal(2), today, SYSTEM)


def test_a_change_lies_within_the_time_of_its_subscription(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today + 3 * DAY, ends_on=today + 9 * DAY), SYSTEM)
    for day in (today, today + 10 * DAY):
        with pytest.raises(Invalid, match="in force"):
            change_quantity(account, row.id, Decimal(2), day, SYSTEM)


def test_a_setup_fee_is_taken_back_before_its_billing_day_only(account: Account, today: date) -> None:
    coming = start(account, NewSubscription("onboarding", today), SYSTEM)
    end(account, coming.id, today, SYSTEM)
    assert fees(account, today).setup == []
    billed = start(account, NewSubscription("onboarding", today - 20 * DAY), SYSTEM)
    with pytest.raises(Invalid, match="billing day"):
        end(account, billed.id, today, SYSTEM)


def test_every_change_is_in_the_audit_trail(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    change_quantity(account, row.id, Decimal(2), today + DAY, SYSTEM)
    end(account, row.id, today + 5 * DAY, SYSTEM)
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
    assert Subscription.objects.count() == 0


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


def test_changes_at_once_come_one_after_the_other(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today - 40 * DAY), SYSTEM)
    refused: list[Refused] = []

    def stop() -> None:
        try:
            end(account, row.id, today + 3 * DAY, SYSTEM)
        except Refused as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=stop) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (len(refused), SubscriptionChange.objects.count()) == (3, 1)


def test_a_change_that_is_asked_for_twice_is_made_once(account: Account, today: date) -> None:
    row, id = start(account, NewSubscription("seats", today), SYSTEM), new_id()
    wanted = Wanted(ChangeKind.QUANTITY, today + DAY, quantity=Decimal(3))
    made = [make(account, row.id, wanted, SYSTEM, id).id for _ in range(2)]
    assert made == [id, id] and SubscriptionChange.objects.count() == 1
    with pytest.raises(Conflict, match="other values"):
        make(account, row.id, Wanted(ChangeKind.PAUSE, today + DAY), SYSTEM, id)


def test_a_change_that_has_not_begun_can_be_taken_back(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    coming = change_quantity(account, row.id, Decimal(3), today + 5 * DAY, SYSTEM)
    take_back(account, row.id, coming.id, SYSTEM)
    assert known(account, today + 5 * DAY) == [(1, Decimal("24.995"))]
    with pytest.raises(Conflict, match="before"):
        take_back(account, row.id, coming.id, SYSTEM)
    begun = change_quantity(account, row.id, Decimal(3), today, SYSTEM)
    with pytest.raises(Conflict, match="counts since"):
        take_back(account, row.id, begun.id, SYSTEM)


def test_a_pause_ends_with_its_last_day_or_with_a_resume(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today), SYSTEM)
    make(account, row.id, Wanted(ChangeKind.PAUSE, today + 2 * DAY, today + 4 * DAY), SYSTEM)
    make(account, row.id, Wanted(ChangeKind.PAUSE, today + 10 * DAY), SYSTEM)
    make(account, row.id, Wanted(ChangeKind.RESUME, today + 12 * DAY), SYSTEM)
    paused = [n for n in range(16) if fees(account, today + n * DAY).recurring[0].paused]
    assert paused == [2, 3, 4, 10, 11]
    with pytest.raises(Invalid, match="not paused"):
        make(account, row.id, Wanted(ChangeKind.RESUME, today + 13 * DAY), SYSTEM)
    with pytest.raises(Invalid, match="already"):
        make(account, row.id, Wanted(ChangeKind.PAUSE, today + 3 * DAY), SYSTEM)


def test_a_discount_is_a_percentage_or_an_amount_for_some_time(account: Account, today: date) -> None:
    row = start(account, NewSubscription("seats", today, price=Decimal(20)), SYSTEM)
    make(account, row.id, Wanted(ChangeKind.DISCOUNT, today, today + 9 * DAY, percent=Decimal(10)), SYSTEM)
    [fee] = fees(account, today).recurring
    assert (fee.total, fee.discount.split(" until")[0]) == (18, "10 % off")
    assert fees(account, today + 10 * DAY).recurring[0].total == 20
    for wrong in ({"percent": Decimal(101)}, {"amount": Decimal(-1)}, {"percent": Decimal(5), "amount": Decimal(5)}):
        with pytest.raises(Invalid):
            make(account, row.id, Wanted(ChangeKind.DISCOUNT, today, **wrong), SYSTEM)


def test_the_database_lets_nobody_change_what_was_subscribed(account: Account, today: date) -> None:
    start(account, NewSubscription("seats", today), SYSTEM)
    for statement in (
        "UPDATE subscription SET quantity = 2",
        "UPDATE subscription SET ends_on = '2020-01-01'",
        "UPDATE subscription_change SET quantity = 2",
        "DELETE FROM subscription_change",
        "UPDATE component_price SET price = 0",
        "UPDATE subscription SET price = 0",
        "DELETE FROM subscription",
    ):
        with pytest.raises(Exception, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement)
