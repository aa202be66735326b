"""Revenue of days to come: earned by the day, once, to the last cent; credit notes take back what is left first."""

import os
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import an_account
from tests.model.deferrals import Stretch
from tests.together import together
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.invoicing import deferral
from tollbook.invoicing.deferral import Deferred, TakenBack, earned_as, posted_to, recognise_due
from tollbook.invoicing.tables import Deferral
from tollbook.ledger.balance import sums
from tollbook.ledger.post import Movement, Side, post
from tollbook.ledger.tables import Entry, Transfer
from tollbook.postgres.ids import new_id

TODAY = datetime.now(UTC).date()
LEFT, WITHIN = "deferred_equals_what_is_left", "deferrals_are_recognised_within_their_total"
EXAMPLES = int(os.environ.get("TOLLBOOK_DEFERRAL_EXAMPLES", "25"))


def deferred(account: Account, amount: str, since: int, days: int, kind: str = "recurring") -> Deferred:
    """An invoice that was posted just now, for days counted from today."""
    first = TODAY + timedelta(days=since)
    last = first + timedelta(days=days - 1)
    row = Deferred(account.id, new_id(), f"deferred:{kind}", account.currency, first, last, Decimal(amount))
    with transaction.atomic():
        deferral.begin([row])
        sides = [Side("receivable", row.total), Side(row.code, -row.total)]
        post(account.id, account.currency, [Movement(new_id(), "invoice", str(row.invoice_id), sides)])
    return row


def credited(account: Account, row: Deferred, amount: Decimal) -> dict[str, Decimal]:
    """A credit note of a part of it."""
    line = TakenBack(earned_as(row.code), row.service_from, row.service_until, amount)
    with transaction.atomic():
        debits = deferral.take_back(account.id, row.invoice_id, [line])
        sides = [*(Side(code, value) for code, value in debits.items()), Side("receivable", -amount)]
        post(account.id, account.currency, [Movement(new_id(), "credit_note", str(new_id()), sides)])
    return debits


def earned(account: Account, kind: str = "recurring") -> Decimal:
    return -sums(account.id).get(f"revenue:{kind}", Decimal(0))


def test_a_fee_is_earned_day_by_day_and_made_whole_by_the_last_day(db) -> None:
    account = an_account()
    deferred(account, "100.00", since=0, days=3)
    told = []
    for day in range(4):
        recognise_due(today=TODAY + timedelta(days=day))
        told.append(earned(account))
    assert told == [Decimal("33.33"), Decimal("66.67"), 100, 100]
    assert sums(account.id)["deferred:recurring"] == 0
    assert Transfer.objects.filter(account_id=account.id, kind="recognition").count() == 3


def test_days_that_were_missed_are_recognised_one_by_one(db) -> None:
    account = an_account()
    deferred(account, "10.00", since=0, days=10)
    recognise_due(today=TODAY + timedelta(days=4))
    references = Transfer.objects.filter(account_id=account.id, kind="recognition").values_list("reference", flat=True)
    assert sorted(one[:10] for one in references) == [(TODAY + timedelta(days=day)).isoformat() for day in range(5)]
    assert earned(account) == 5


def test_an_invoice_that_comes_late_earns_its_first_days_when_it_is_posted(db) -> None:
    account = an_account()
    deferred(account, "30.00", since=-9, days=30)
    deferred(account, "12.00", since=-40, days=30)
    recognise_due(today=TODAY)
    assert earned(account) == 10 + 12
    recognise_due(today=TODAY + timedelta(days=1))
    assert earned(account) == 11 + 12


def test_nothing_is_recognised_twice_by_two_at_once(db) -> None:
    accounts = [an_account(f"customer-{number}") for number in range(6)]
    for account in accounts:
        deferred(account, "31.00", since=0, days=31)
    together(4, lambda: recognise_due(today=TODAY + timedelta(days=9)))
    assert {earned(account) for account in accounts} == {Decimal(10)}


def test_a_credit_takes_what_is_left_first_and_spreads_the_rest_anew(db) -> None:
    account = an_account()
    row = deferred(account, "30.00", since=0, days=30)
    recognise_due(today=TODAY + timedelta(days=9))
    assert credited(account, row, Decimal(10)) == {"deferred:recurring": 10}
    recognise_due(today=TODAY + timedelta(days=10))
    assert earned(account) == Decimal("10.50")
    debits = credited(account, row, Decimal(15))
    assert debits == {"deferred:recurring": Decimal("9.50"), "revenue:recurring": Decimal("5.50")}
    recognise_due(today=TODAY + timedelta(days=90))
    assert earned(account) == 5 and sums(account.id)["deferred:recurring"] == 0


def test_currencies_keep_their_own_smallest_unit(db) -> None:
    yen, dinar = an_account("yen", currency="JPY"), an_account("dinar", currency="KWD")
    for account in (yen, dinar):
        deferred(account, "100", since=0, days=3)
    recognise_due(today=TODAY)
    assert (earned(yen), earned(dinar)) == (33, Decimal("33.333"))


def test_a_worker_that_stops_leaves_the_rest_for_the_next(db) -> None:
    account = an_account()
    deferred(account, "10.00", since=0, days=10)
    stop = Event()
    stop.set()
    assert recognise_due(stop, TODAY) == 0 and earned(account) == 0
    assert recognise_due(today=TODAY) == 1 and earned(account) == 1


def test_only_revenue_with_service_days_is_deferred() -> None:
    assert posted_to("revenue:recurring", TODAY) == "deferred:recurring"
    assert posted_to("revenue:recurring", None) == "revenue:recurring"
    assert posted_to("wallet:sms:paid", TODAY) == "wallet:sms:paid"


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("invoice"), st.integers(-9_999, 9_999).filter(bool), st.integers(-9, 9), st.integers(1, 40)),
        st.tuples(st.just("credit"), st.integers(0, 9), st.integers(1, 9_999)),
        st.tuples(st.just("day"), st.integers(0, 6)),
    ),
    min_size=3,
    max_size=14,
)


def test_any_mix_of_invoices_days_and_credits_follows_a_plain_model(db) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(ACTIONS)
    def run(actions: list[tuple]) -> None:
        db.empty()
        account, today = an_account(), TODAY
        rows: list[tuple[Deferred, Stretch]] = []
        told: dict[date, int] = defaultdict(int)
        taken = 0
        for name, *values in actions:
            if name == "invoice" and today == TODAY:
                cents, since, days = values
                row = deferred(account, str(Decimal(cents).scaleb(-2)), since, days)
                rows.append((row, Stretch(cents, row.service_from, row.service_until, TODAY)))
            elif name == "credit" and rows:
                which, cents = values
                row, stretch = rows[which % len(rows)]
                cents = min(cents, abs(stretch.cents)) * (1 if stretch.cents > 0 else -1)
                if cents:
                    part = stretch.credit(cents)
                    assert credited(account, row, Decimal(cents).scaleb(-2)).get(row.code, 0) == Decimal(part).scaleb(-2)
                    taken += cents - part
            elif name == "day":
                last = today + timedelta(days=values[0])
                recognise_due(today=last)
                while today <= last:
                    for _, stretch in rows:
                        told[today] += stretch.day(today)
                    today += timedelta(days=1)
                today = last
        books = sums(account.id)
        assert earned(account) == Decimal(sum(told.values()) - taken).scaleb(-2)
        assert -books.get("deferred:recurring", Decimal(0)) == Decimal(sum(one.left() for _, one in rows)).scaleb(-2)
        assert by_day(account) == {day: cents for day, cents in told.items() if cents}
        left = sum(row.total - row.credited - row.recognised for row in Deferral.objects.filter(account_id=account.id))
        assert left == -books.get("deferred:recurring", Decimal(0))
        assert not {one.rule for one in audit([account])} & {LEFT, WITHIN}

    run()


def by_day(account: Account) -> dict[date, int]:
    """What the books say was earned on each day, in cents."""
    found: dict[date, int] = defaultdict(int)
    days = dict(Transfer.objects.filter(account_id=account.id, kind="recognition").values_list("id", "reference"))
    for entry in Entry.objects.filter(account_id=account.id, transfer_id__in=list(days), code__startswith="revenue:"):
        found[date.fromisoformat(days[entry.transfer_id][:10])] -= int(entry.amount.scaleb(2))
    return {day: cents for day, cents in found.items() if cents}


@pytest.mark.parametrize("days", [1, 28, 29, 30, 31, 365])
def test_the_parts_of_any_stretch_sum_to_the_whole(db, days: int) -> None:
    account = an_account()
    deferred(account, "0.07", since=0, days=days)
    recognise_due(today=TODAY + timedelta(days=days))
    assert earned(account) == Decimal("0.07")


@pytest.mark.parametrize(
    ("forgery", "rule"),
    [
        ("UPDATE deferral SET recognised = recognised + 1", LEFT),
        ("DELETE FROM deferral", LEFT),
        ("UPDATE deferral SET total = total - 1, recognised = recognised - 1", "lines_of_days_are_deferred"),
        ("UPDATE deferral SET next_on = NULL", WITHIN),
        ("UPDATE deferral SET recognised = 40", WITHIN),
    ],
)
def test_a_forged_row_is_named_by_its_rule(db, forgery: str, rule: str) -> None:
    account = an_account()
    deferred(account, "31.00", since=0, days=31)
    recognise_due(today=TODAY)
    with db.connect("owner") as owner:
        owner.execute(forgery)
    assert rule in [finding.rule for finding in audit([account])]
