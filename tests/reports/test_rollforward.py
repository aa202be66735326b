"""The roll-forward of prepaid credit: what stood + what came - what went = what stands, as a plain list of moves says."""

import os
from collections import defaultdict
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.cast import an_account, funded
from tests.reports.days import newest_transfer, post_on
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.postgres.ids import new_id
from tollbook.reports.days import Days, last_month
from tollbook.reports.rollforward import Moves, rollforward
from tollbook.wallets.credit import Credit, credit, fund
from tollbook.wallets.give_back import GiveBack, give_back
from tollbook.wallets.spend import Debit, spend
from tollbook.wallets.wallet import lock

EXAMPLES = int(os.environ.get("TOLLBOOK_REPORT_EXAMPLES", "12"))
FIRST = date(2026, 9, 1)
COLUMNS = [one.name for one in fields(Moves)][1:-1]
MICROS = st.integers(1, 300_000_000).map(lambda micros: Decimal(micros).scaleb(-6))
ACTIONS = ["topped_up", "granted", "used", "returned", "refunded", "expired", "adjusted", "other"]
MOVES = st.tuples(
    st.integers(0, 3), st.sampled_from(["sms", "outbound"]), st.sampled_from(ACTIONS), MICROS, st.sampled_from([0, 1])
)
EACH_KIND = [(1 if nth == 4 else 0, "sms", action, Decimal(nth + 1), nth % 2) for nth, action in enumerate(ACTIONS * 2)]
KIND = {"granted": ("grant", "promotion"), "refunded": ("refund_begun", "clearing:x"), "expired": ("expiry", "breakage"),
        "adjusted": ("adjustment", "revenue:adjustment"), "other": ("move", "suspense")}  # fmt: skip


def test_opening_and_moves_are_the_closing_of_a_plain_list(db) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.lists(MOVES, min_size=1, max_size=14), st.integers(0, 40), st.integers(0, 40))
    @example(EACH_KIND, 0, 20)
    @example(EACH_KIND, 10, 20)
    def run(moves: list[tuple], first: int, length: int) -> None:
        db.empty()
        accounts = [an_account("northwind"), an_account("contoso")]
        days = Days(FIRST + timedelta(days=first), FIRST + timedelta(days=first + length))
        oracle, posted, day = defaultdict(lambda: defaultdict(Decimal)), {}, FIRST
        for gap, type_code, action, amount, whose in moves:
            day += timedelta(days=gap * 7)
            for purse, column, moved in made(accounts[whose], type_code, action, amount):
                key = (accounts[whose].slug, type_code, purse)
                oracle[key][place(column, day, days)] += moved
            posted[newest_transfer(db, accounts[whose].id)] = day
        post_on(db, posted)
        report = rollforward(days, by_account=True)
        assert report.differences == []
        told = {(row.slug, row.type_code, row.purse): row.moves for row in report.rows}
        for key, moves_of in told.items():
            assert {name: getattr(moves_of, name) for name in COLUMNS} == {name: oracle[key][name] for name in COLUMNS}
            assert moves_of.opening == oracle[key]["opening"]
            assert moves_of.closing == moves_of.opening + moves_of.change
        assert set(oracle) <= set(told)
        assert sums(report.totals().values()) == sums(told.values())
        assert rollforward(days).totals() == report.totals()

    run()


def place(column: str, day: date, days: Days) -> str:
    if day < days.since:
        return "opening"
    return column if day <= days.until else "later"


def sums(moves) -> Decimal:
    return sum((one.closing - one.opening for one in moves), Decimal(0))


def made(account: Account, type_code: str, action: str, amount: Decimal) -> list[tuple[str, str, Decimal]]:
    """Do it; answers what it moves: (purse, column, amount)."""
    with transaction.atomic():
        wallet = lock(account.id, [type_code])[type_code]
        sealed = {"description": "", "detail_count": 0, "detail_digest": sha256().digest()}
        if action == "topped_up":
            fund(account.id, wallet, amount, str(new_id()), "", "")
            return [("paid", action, amount)]
        if action == "used":
            debit = Debit(account.id, new_id(), type_code, amount, reference=str(new_id()), **sealed)
            spend({(account.id, type_code): wallet}, [debit])
            granted = min(wallet.granted, amount)
            return [("granted", "used", -granted), ("paid", "used", granted - amount)]
        if action == "returned":  # usage that nobody can find the debit of returns to where granted credit is
            give_back(account.id, wallet, GiveBack(new_id(), amount, [], actor="", **sealed))
            return [("granted", "used", amount)]
        kind, counter = KIND[action]
        amount = -amount if action in ("refunded", "expired") else amount
        purse = "granted" if action == "granted" else "paid"
        credit(account.id, wallet, Credit(type_code, amount, purse, kind, str(new_id()), counter))
        return [(purse, action, amount)]


def test_what_a_hand_in_the_tables_did_is_named(db) -> None:
    account = an_account()
    funded(account, "sms", "12.34")
    with db.connect("owner") as owner:
        owner.execute("UPDATE wallet SET paid = paid + 0.000001 WHERE type_code = 'sms'")
    [named] = rollforward(Days(date(2020, 1, 1), date(2020, 1, 31))).differences
    assert named.startswith("sms, USD: entries say 0.000001 and 0.000001")


def test_a_transfer_belongs_to_the_day_it_was_posted_on_by_utc(db) -> None:
    account = an_account()
    funded(account, "sms", "5")
    with db.connect("owner") as owner:
        owner.execute("UPDATE transfer SET posted_at = '2026-10-31 23:59:59.999999+00'")
    october, november = Days(date(2026, 10, 1), date(2026, 10, 31)), Days(date(2026, 11, 1), date(2026, 11, 30))
    assert rollforward(october).totals()["USD", "paid"].adjusted == 5
    assert rollforward(november).totals()["USD", "paid"].opening == 5


def test_only_one_account_is_told_of_when_asked(db) -> None:
    funded(an_account("northwind"), "sms", "5")
    other = an_account("contoso")
    assert rollforward(Days(FIRST, FIRST), other.id).totals()["USD", "paid"].closing == 0


def test_a_period_is_in_order() -> None:
    with pytest.raises(Invalid):
        Days(date(2026, 11, 2), date(2026, 11, 1))
    assert last_month(date(2026, 3, 31)) == Days(date(2026, 2, 1), date(2026, 2, 28))
