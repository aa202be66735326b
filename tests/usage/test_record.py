"""A batch in: exactly once, rated, debited, in the books; one bad event never blocks the others."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import NOON, a_rate, an_account, funded, wallet
from tests.model import books
from tollbook.audit.books import audit
from tollbook.ledger.tables import Transfer
from tollbook.usage import record as recording
from tollbook.usage.batch import Batch
from tollbook.usage.event import Event
from tollbook.usage.fold import fold_waiting
from tollbook.usage.record import KNOWN, LARGEST_BATCH, NEW, record, record_batch
from tollbook.usage.reserve import Item, reserve
from tollbook.usage.tables import UsageEvent, UsageSum, UsageTold


def call(id: str = "call-1", seconds: str = "61", **fields: object) -> Event:
    return replace(Event(id, "outbound", Decimal(seconds), NOON, to="12125550100"), **fields)


def test_an_event_is_rated_and_debited(db) -> None:
    account = an_account()
    a_rate(cents="1.20", initial=6, step=6)
    funded(account)
    recorded = record(account.id, [call()])
    assert (recorded.accepted, recorded.cost) == (1, Decimal("0.0132"))
    assert wallet(account).paid == Decimal("99.9868")
    event = UsageTold.objects.get(account_id=account.id)
    assert (event.quantity, event.billed_quantity, event.rate_cents, event.cost) == (
        61,
        66,
        Decimal("1.2"),
        Decimal("0.0132"),
    )
    assert audit() == []


def test_a_repeated_event_is_debited_once_flexprice_and_openmeter(db) -> None:
    account = an_account()
    a_rate()
    for _ in range(3):
        record(account.id, [call(), call(), call("call-2")])
    assert UsageEvent.objects.filter(account_id=account.id).count() == 2
    assert wallet(account).paid == -2 * Decimal("0.0132")


def test_the_same_id_belongs_to_each_account_by_itself(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    a_rate()
    assert [record(account.id, [call()]).accepted for account in (ours, theirs)] == [1, 1]


def test_a_known_id_with_another_body_is_a_conflict(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call()])
    again = record(account.id, [call(seconds="62"), call(attributes={"agent": "x"})])
    assert [rejection.code for rejection in again.rejected] == ["event_conflict"]
    assert again.duplicates == 1


def test_one_bad_event_never_blocks_the_others(db) -> None:
    account = an_account()
    a_rate()
    batch = [
        call("good-1"),
        call(
            "",
        ),
        call("bad-type", type="fax"),
        call("negative", seconds="-1"),
        call("nan", quantity=Decimal("NaN")),
        call("precise", seconds="1.0000001"),
        call("naive", occurred_at=datetime(2026, 11, 3, 12, 0)),  # noqa: DTZ001
        call("future", occurred_at=datetime.now(UTC) + timedelta(hours=1)),
        call("nul", to="1\x00"),
        call("surrogate", attributes={"a": "\ud800"}),
        call("nul-inside", attributes={"a": "x\x00y"}),
        call("infinite", attributes={"a": float("inf")}),
        call("no-rate", type="sms"),
        call("good-2"),
    ]
    recorded = record(account.id, batch)
    assert recorded.accepted == 2
    assert [rejection.index for rejection in recorded.rejected] == list(range(1, 13))
    assert recorded.rejected[-1].code == "no_rate"


def test_an_event_is_a_fact_and_is_debited_below_zero(db) -> None:
    account = an_account()
    a_rate(cents="600", initial=60, step=60)
    record(account.id, [call(seconds="60")])
    assert wallet(account).paid == -6


def test_granted_credit_is_spent_first(db) -> None:
    account = an_account()
    a_rate(cents="600", initial=60, step=60)
    funded(account, amount="100")
    funded(account, amount="10", purse="granted")
    record(account.id, [call(seconds="120")])
    assert (wallet(account).granted, wallet(account).paid) == (0, 98)
    assert audit() == []


def test_what_costs_nothing_is_kept_but_moves_no_money(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call(seconds="0")])
    assert UsageEvent.objects.filter(account_id=account.id).count() == 1
    assert not Transfer.objects.filter(account_id=account.id).exists()
    assert audit() == []


def test_a_batch_has_a_largest_size(db) -> None:
    account = an_account()
    with pytest.raises(Exception, match=str(LARGEST_BATCH)):
        record(account.id, [call(str(number)) for number in range(LARGEST_BATCH + 1)])


def test_the_roll_up_is_in_step(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call(str(n), occurred_at=NOON + timedelta(minutes=7 * n)) for n in range(10)])
    rows = UsageSum.objects.filter(account_id=account.id).order_by("quarter_at")
    assert [row.events for row in rows] == [3, 2, 2, 2, 1]
    assert audit() == []


@pytest.fixture(params=[1, 1_000_000], ids=["tried by COPY first", "by INSERT"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in, whatever the size of the batch."""
    monkeypatch.setattr(recording, "FEW", request.param)


@pytest.mark.usefixtures("_way")
def test_eight_senders_of_overlapping_batches_debit_each_event_once(db) -> None:
    account = an_account()
    a_rate()
    a_rate("sms", "0.79", 1, 1)
    pool = [call(f"id-{n}", str(n % 200 + 1)) for n in range(150)]
    pool += [Event(f"sms-{n}", "sms", Decimal(n % 3 + 1), NOON) for n in range(150)]
    errors: list[Exception] = []

    def send(number: int) -> None:
        try:
            for start in range(0, 300, 30):
                shifted = pool[(start + number * 17) % 300 :] + pool[: (start + number * 17) % 300]
                record(account.id, shifted[: 60 if number % 2 else 90][:: -1 if number % 3 else 1])
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    record(account.id, pool)
    rules = {
        "outbound": books.Rule(Fraction("1.2"), initial=6, step=6),
        "sms": books.Rule(Fraction("0.79"), timed=False),
    }
    for kind in rules:
        expected = sum(books.cost(rules[kind], Fraction(event.quantity)) for event in pool if event.type == kind)
        assert Fraction(wallet(account, kind).paid) == -expected
    assert audit() == []


EVENTS = st.tuples(st.integers(1, 12), st.sampled_from(["outbound", "sms"]), st.integers(0, 130), st.booleans())


@pytest.mark.usefixtures("_way")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(EVENTS, max_size=8), max_size=6), money=st.integers(0, 3), gift=st.integers(0, 2))
def test_any_batches_leave_what_the_plain_model_leaves(db, batches: list, money: int, gift: int) -> None:
    db.empty()
    account = an_account()
    a_rate("outbound", "37.5", 30, 6, connect_fee=Decimal("0.01"))
    a_rate("sms", "0.79", 1, 1)
    rules = {
        "outbound": books.Rule(Fraction("37.5"), Fraction("0.01"), 30, 6),
        "sms": books.Rule(Fraction("0.79"), timed=False),
    }
    oracle = books.Account(rules, {kind: books.Wallet() for kind in rules})
    for kind in rules:
        for purse, amount in (("paid", money), ("granted", gift)):
            if amount:
                funded(account, kind, str(amount), purse)
                setattr(oracle.wallets[kind], purse, Fraction(amount))
    for batch in batches:
        events = [
            Event(f"e{id}", kind, Decimal(quantity), NOON + timedelta(days=late)) for id, kind, quantity, late in batch
        ]
        outcomes = [oracle.use(event.id, event.type, Fraction(event.quantity), event.occurred_at) for event in events]
        recorded = record(account.id, events)
        assert (recorded.accepted, recorded.duplicates, len(recorded.rejected)) == tuple(
            map(outcomes.count, ("accepted", "duplicate", "conflict"))
        )
    for kind, expected in oracle.wallets.items():
        stored = wallet(account, kind)
        assert (Fraction(stored.paid), Fraction(stored.granted)) == (expected.paid, expected.granted)
    assert audit() == []


def test_an_event_that_is_too_late_is_refused_but_a_known_one_is_a_duplicate_however_old(db) -> None:
    account = an_account()
    a_rate()
    record(account.id, [call("imported")])
    week = timedelta(days=7)
    late = record(account.id, [call("imported"), call("new"), call("imported", seconds="99")], oldest=week)
    assert (late.accepted, late.duplicates) == (0, 1)
    assert [(one.index, one.code) for one in late.rejected] == [(1, "too_late"), (2, "event_conflict")]


def test_events_of_several_accounts_are_one_transaction_and_each_account_pays_for_its_own(db) -> None:
    northwind, contoso = an_account("northwind"), an_account("contoso")
    a_rate()
    batch = Batch(
        account_ids=[northwind.id, contoso.id],
        accounts=[0, 1, 1, 0],
        ids=["a", "a", "b", "a"],
        types=["outbound"] * 4,
        quantities=[60, 120, Decimal("0.5"), 60],
        occurred=[NOON] * 4,
        to=["+12125550100"] * 4,
        sender=[""] * 4,
        attributes=[b'{"campaign": "x", "note": "y"}', b"", b'{"campaign": "x"}', b""],
    )
    outcome = record_batch(batch)
    assert outcome.states.tolist() == [NEW, NEW, NEW, KNOWN]
    assert (wallet(northwind).paid, wallet(contoso).paid) == (Decimal("-0.012"), Decimal("-0.0252"))
    told = {(one.account_id, one.event_id): one.attributes for one in UsageTold.objects.all()}
    assert told == {
        (northwind.id, "a"): {"campaign": "x", "note": "y"},
        (contoso.id, "a"): {},
        (contoso.id, "b"): {"campaign": "x"},
    }
    assert audit() == []


def test_sums_beyond_64_bits_are_debited_as_they_are(db) -> None:
    """More events than one request may have come together in a transaction: their sum must not turn into a credit."""
    account = an_account()
    a_rate(cents="899900")
    count, cost = 24_000, Decimal(8_999) * 99_000
    batch = Batch(
        [account.id], [0] * count, [f"e{n}" for n in range(count)], ["outbound"] * count, [99_000 * 60] * count,
        [NOON] * count, ["12125550100"] * count, [""] * count, [b""] * count,
    )  # fmt: skip
    outcome = record_batch(batch)
    assert outcome.part(0, count).cost == count * cost > 2**63 / Decimal(10**6)
    assert wallet(account).paid == -count * cost
    assert UsageSum.objects.get(account_id=account.id).cost == count * cost
    assert fold_waiting() == count
    assert audit() == []


def test_an_event_within_a_transaction_is_rated_anew_when_rates_change_meanwhile(db, monkeypatch) -> None:
    account = an_account()
    a_rate(cents="1")
    prepare = recording.prepare

    def and_then_a_rate_changes(*arguments):
        prepared = prepare(*arguments)
        monkeypatch.setattr(recording, "prepare", prepare)
        changer = threading.Thread(target=lambda: (a_rate(cents="2", prefix="44"), connection.close()))
        changer.start()
        changer.join()
        return prepared

    monkeypatch.setattr(recording, "prepare", and_then_a_rate_changes)
    with transaction.atomic():
        recorded = recording.record_within(account.id, [call(to="442071838750")])
    assert (recorded.accepted, recorded.cost, audit()) == (1, Decimal("0.022"), [])


def test_a_hold_placed_while_its_event_is_recorded_ends_with_it(db, monkeypatch) -> None:
    """The reservation that comes between the event's key and the wallet's lock would stay, beside the debit."""
    account = an_account()
    a_rate()
    funded(account)
    lock = recording._wallets

    def after_a_reservation(wanted):
        monkeypatch.setattr(recording, "_wallets", lock)
        hold = threading.Thread(
            target=lambda: (reserve(account, "call-1", [Item("outbound", Decimal(60))]), connection.close())
        )
        hold.start()
        hold.join()
        return lock(wanted)

    monkeypatch.setattr(recording, "_wallets", after_a_reservation)
    assert record(account.id, [call()]).accepted == 1
    assert wallet(account).held == 0
    assert audit() == []
