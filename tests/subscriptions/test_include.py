"""Credit that subscriptions include: granted each month, once."""

import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connections

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.ledger.balance import sums
from tollbook.ledger.tables import Transfer
from tollbook.money.period import add_months
from tollbook.subscriptions.change import Wanted, change_quantity, make
from tollbook.subscriptions.component import Terms, offer
from tollbook.subscriptions.include import due, give_due
from tollbook.subscriptions.record import read
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import ChangeKind, FeeKind, Subscription
from tollbook.wallets.tables import Wallet

DAY = timedelta(days=1)


@pytest.fixture
def today(account: Account) -> date:
    """Today, three days after a billing day; what includes $5 of SMS credit is offered."""
    account.anchor_on = add_months(today_in(account) - 3 * DAY, -1)
    account.save(update_fields=["anchor_on"])
    offer("bundle", "Bundle", FeeKind.RECURRING, Decimal(20), SYSTEM, Terms(1, "", "sms", Decimal(5)))
    return today_in(account)


def granted(account: Account) -> Decimal:
    wallets = Wallet.objects.filter(account_id=account.id, type_code="sms")
    return sum((wallet.granted for wallet in wallets), Decimal(0))


def test_a_month_is_granted_once_however_often_and_by_how_many_it_is_asked(account: Account, today: date) -> None:
    start(account, NewSubscription("bundle", today - 3 * DAY, Decimal(2)), SYSTEM)

    def give() -> None:
        give_due()
        connections.close_all()

    threads = [threading.Thread(target=give) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert give_due() == 0
    assert granted(account) == 10
    assert sums(account.id) == {"wallet:sms:granted": -10, "promotion": 10}
    [transfer] = Transfer.objects.filter(account_id=account.id)
    assert transfer.description.startswith("Included in Bundle from")


def test_months_that_were_missed_are_made_up_for_but_none_before_it_was_recorded(account: Account, today: date) -> None:
    row = start(account, NewSubscription("bundle", today - 100 * DAY), SYSTEM)
    assert len(due(account, read([account])[account.id].plans, today)) == 1
    assert len(due(account, read([account])[account.id].plans, add_months(today, 2))) == 3
    assert Subscription.objects.filter(id=row.id).exists()


def test_the_quantity_of_the_months_first_day_counts_and_a_pause_includes_nothing(account: Account, today: date) -> None:
    row = start(account, NewSubscription("bundle", today), SYSTEM)
    change_quantity(account, row.id, Decimal(4), today + DAY, SYSTEM)
    make(account, row.id, Wanted(ChangeKind.PAUSE, add_months(today, 2), add_months(today, 3) - DAY), SYSTEM)
    amounts = [each.amount for each in due(account, read([account])[account.id].plans, add_months(today, 4))]
    assert amounts == [5, 20, 20, 20]


def test_what_is_left_of_a_first_month_counts_by_the_day_when_prorated(account: Account, today: date) -> None:
    start(account, NewSubscription("bundle", today, prorated=True), SYSTEM)
    [included] = due(account, read([account])[account.id].plans, today)
    assert Decimal("4.40") < included.amount < 5


def test_credit_that_a_component_includes_later_is_for_new_subscriptions_only(account: Account, today: date) -> None:
    offer("plain", "Plain", FeeKind.RECURRING, Decimal(20), SYSTEM)
    start(account, NewSubscription("plain", today - 3 * DAY), SYSTEM)
    start(account, NewSubscription("bundle", today - 3 * DAY), SYSTEM)
    offer("plain", "Plain", FeeKind.RECURRING, Decimal(20), SYSTEM, Terms(1, "", "sms", Decimal(7)))
    offer("bundle", "Bundle", FeeKind.RECURRING, Decimal(20), SYSTEM, Terms(1, "", "sms", Decimal(9)))
    give_due()
    assert granted(account) == 5
    start(account, NewSubscription("plain", today - 3 * DAY), SYSTEM)
    give_due()
    assert granted(account) == 12


def test_included_credit_needs_a_type_and_an_amount(account: Account, today: date) -> None:
    for terms in (Terms(1, "", "sms"), Terms(1, "", "", Decimal(5)), Terms(1, "", "boats", Decimal(5)), Terms(2)):
        with pytest.raises(Invalid):
            offer("other", "Other", FeeKind.RECURRING, Decimal(20), SYSTEM, terms)
