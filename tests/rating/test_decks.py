"""Many look-ups at once, and single ones, against a model that reads every rate every time; and decks from the database."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cast import LONG_AGO, NOON, a_rate, an_account
from tests.model import prefixes as model
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.errors import Invalid
from tollbook.rating import compiled, deck
from tollbook.rating.compiled import FOREVER_US, RATE
from tollbook.rating.deck import EPOCH, Deck, Decks, State, Types, deck_of, decks_of, microseconds, state_now
from tollbook.rating.destination import SPAN, digits_of, key_of, keys_of
from tollbook.rating.set_rate import NewRate, set_rate

EXAMPLES = int(os.environ.get("TOLLBOOK_RATING_EXAMPLES", "300"))
KINDS = ("sms", "outbound")
TYPES = Types(KINDS, (False, True))
ACCOUNTS = [UUID(int=number) for number in (1, 2, 3)]

numbers = st.one_of(
    st.text("01", max_size=4),
    st.text("012", max_size=6),
    st.sampled_from(["9" * 15, "0" * 15, "1" + "0" * 14, "1" * 12]),
)
destinations = st.one_of(
    numbers,
    numbers.map(lambda digits: "+" + digits),
    st.sampled_from(["", "+", "++1", "sip:alice", "1x", "1+", "a", "1/2", "1:", "١٢", "é", "0" * 40]),
    st.sampled_from(["1" * 15 + "é", "1" * 16 + "x", "1" * 14 + "x1"]),
)
instants = st.integers(0, 12)


@st.composite
def rates(draw: st.DrawFn) -> list[model.Rate]:
    """Rates of three accounts and of everybody; periods of one prefix may overlap, but begin at different instants."""
    wanted = st.tuples(st.sampled_from([None, None, 0, 1]), st.sampled_from(KINDS), numbers, instants)
    keys = draw(st.lists(wanted, unique=True, min_size=draw(st.integers(0, 30)), max_size=40))
    ends = st.one_of(st.none(), st.integers(1, 6))
    lasting = [draw(ends) for _ in keys]
    return [
        model.Rate(*key, length and key[3] + length, name)
        for name, (key, length) in enumerate(zip(keys, lasting, strict=True), 1)
    ]


def table_of(rows: list[model.Rate]) -> compiled.Compiled:
    columns = np.zeros(len(rows), RATE)
    for place, row in enumerate(rows):
        columns[place]["id"] = row.name.to_bytes(16, "big")
        columns[place]["from_us"], columns[place]["until_us"] = row.begins, FOREVER_US if row.ends is None else row.ends
        columns[place]["low"] = KINDS.index(row.kind) * SPAN + key_of(row.prefix)
        columns[place]["length"] = len(row.prefix)
        columns[place]["initial"] = columns[place]["increment"] = 1
    return compiled.compiled(columns)


def tables_of(rows: list[model.Rate]) -> dict[UUID, compiled.Compiled]:
    owners = {OPERATOR_ID: None} | {account: place for place, account in enumerate(ACCOUNTS)}
    return {key: table_of([row for row in rows if row.owner == owner]) for key, owner in owners.items()}


def name_of(raw: object) -> int:
    return int.from_bytes(bytes(raw), "big")  # type: ignore[call-overload]


@settings(max_examples=EXAMPLES)
@given(rates(), st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 1), destinations, instants), max_size=30))
def test_many_look_ups_equal_the_model(rows: list[model.Rate], asked: list[tuple[int, int, str, int]]) -> None:
    decks = Decks(ACCOUNTS, State(TYPES, {}), tables_of(rows))
    columns = [np.array([one[place] for one in asked], np.int64) for place in (0, 1, 3)]
    found = decks.find(columns[0], columns[1], [one[2] for one in asked], columns[2])
    for row, (account, kind, destination, at) in enumerate(asked):
        expected = model.rate_of(rows, account, KINDS[kind], destination, at) if kind >= 0 else None
        assert bool(found.known[row]) == (expected is not None)
        if expected:
            assert name_of(found.rate_ids[row]) == expected.name
            assert bool(found.own[row]) == (expected.owner is not None) and bool(found.timed[row]) == TYPES.timed[kind]


@settings(max_examples=EXAMPLES)
@given(rates(), st.integers(0, 2), st.sampled_from(KINDS), destinations, instants)
def test_a_single_look_up_equals_the_model(rows: list[model.Rate], account: int, kind: str, to: str, at: int) -> None:
    tables = tables_of(rows)
    one = Deck(ACCOUNTS[account], frozenset(KINDS), TYPES.places, tables[ACCOUNTS[account]], tables[OPERATOR_ID])
    terms, expected = one.find(kind, to, EPOCH + timedelta(microseconds=at)), model.rate_of(rows, account, kind, to, at)
    assert (terms and terms.id.int) == (expected and expected.name)
    assert (terms and terms.prefix) == (expected and expected.prefix)


def test_a_large_table_is_searched_as_a_small_one() -> None:
    draw = np.random.default_rng(7)
    rows = {(prefix, int(draw.integers(3))) for prefix in map(str, draw.integers(0, 60_000, 9_000))}
    listed = [model.Rate(None, "outbound", *key, None, name) for name, key in enumerate(sorted(rows), 1)]
    table, asked = table_of(listed), [str(number) for number in draw.integers(0, 10**7, 400)]
    decks = Decks([ACCOUNTS[0]], State(TYPES, {}), {OPERATOR_ID: table})
    assert len(table.lows) > compiled.WORTH_SORTING
    found = decks.find(np.zeros(400, np.intp), np.ones(400, np.intp), asked, np.ones(400, np.int64))
    by_prefix: dict[str, list[model.Rate]] = {}
    for rate in listed:
        by_prefix.setdefault(rate.prefix, []).append(rate)
    for row, number in enumerate(asked):
        candidates = [rate for length in range(6) for rate in by_prefix.get(number[:length], [])]
        expected = model.rate_of(candidates, 0, "outbound", number, 1)
        assert (name_of(found.rate_ids[row]) if found.known[row] else None) == (expected and expected.name)


def test_as_many_owners_as_there_may_be_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deck, "GROUPS", 4)  # two owners of two types
    rows = [model.Rate(owner, "sms", str(owner), 0, None, owner + 1) for owner in range(3)]
    decks = Decks(ACCOUNTS, State(TYPES, {}), tables_of(rows))
    found = decks.find(np.arange(3), np.zeros(3, np.intp), ["0", "1", "2"], np.zeros(3, np.int64))
    assert [name_of(one) for one in found.rate_ids] == [1, 2, 3]


@given(st.lists(destinations, max_size=20))
def test_keys_of_many_are_the_keys_of_each(texts: list[str]) -> None:
    assert keys_of(texts).tolist() == [key_of(text) for text in texts]


@given(st.text("0123456789", max_size=15), st.text("0123456789", max_size=15))
def test_keys_sort_as_digits_do_and_can_be_read_back(one: str, other: str) -> None:
    assert (key_of(one) < key_of(other)) == (one < other)
    assert digits_of(key_of(one)) == one


def test_decks_of_many_accounts_hold_own_and_default_rates(db) -> None:
    accounts = [an_account(name) for name in ("one", "two", "three")]
    a_rate(cents="5", prefix="1", connect_fee=Decimal("0.01"), initial=30)
    set_rate(NewRate("outbound", Decimal("0.5"), LONG_AGO, "12"), SYSTEM, accounts[1].id)
    decks = decks_of([account.id for account in accounts])
    outbound = decks.type_codes.index("outbound")
    found = decks.find(
        np.array([0, 1, 1, 2]), np.full(4, outbound), ["+1212", "+1212", "13", "44"], np.full(4, microseconds(NOON))
    )
    assert found.known.tolist() == [True, True, True, False]
    assert found.rate_e6[:3].tolist() == [5_000_000, 500_000, 5_000_000]
    assert (found.connect_micro[0], found.initial[0], found.increment[0]) == (10_000, 30, 6)
    terms = deck_of(accounts[1].id).find("outbound", "1212", NOON)
    assert terms is not None and terms.id.bytes == bytes(found.rate_ids[1]) and terms.account_id == accounts[1].id


def test_versions_tell_of_every_change(db) -> None:
    ours, theirs = an_account("ours"), an_account("theirs")
    a_rate(cents="5")
    decks = decks_of([ours.id])
    assert decks.state == state_now([ours.id])
    set_rate(NewRate("outbound", Decimal(1), LONG_AGO), SYSTEM, theirs.id)
    assert decks.state == state_now([ours.id])
    set_rate(NewRate("outbound", Decimal(1), LONG_AGO), SYSTEM, ours.id)
    assert decks.state != state_now([ours.id])


def test_a_rate_that_was_rolled_back_is_forgotten(db) -> None:
    account = an_account()
    a_rate(cents="5")
    with transaction.atomic():
        set_rate(NewRate("outbound", Decimal(7), NOON), SYSTEM)
        terms = deck_of(account.id).find("outbound", "1", NOON)
        assert terms is not None and terms.rate_cents == 7
        transaction.set_rollback(True)
    set_rate(NewRate("outbound", Decimal(8), NOON), SYSTEM)
    terms = deck_of(account.id).find("outbound", "1", NOON)
    assert terms is not None and terms.rate_cents == 8


def test_own_rates_in_memory_are_bounded_and_default_ones_stay(db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deck, "KEPT_BYTES", 1)
    account = an_account()
    a_rate(cents="5")
    set_rate(NewRate("outbound", Decimal(1), LONG_AGO), SYSTEM, account.id)
    terms = deck_of(account.id).find("outbound", "1", NOON)
    assert terms is not None and terms.rate_cents == 1
    assert account.id not in deck._kept and OPERATOR_ID in deck._kept


def test_stored_numbers_come_back_exactly(db) -> None:
    account = an_account()
    until = datetime(2031, 5, 6, 7, 8, 9, 123_457, tzinfo=UTC)
    fee, cents = Decimal("999999.999999"), Decimal("0.000001")
    set_rate(NewRate("outbound", cents, LONG_AGO, "123456789012345", connect_fee=fee, initial_seconds=86_400), SYSTEM)
    set_rate(NewRate("outbound", Decimal(1_000_000), until, "123456789012345"), SYSTEM)
    terms = deck_of(account.id).find("outbound", "+1234567890123459", NOON)
    assert terms is not None
    assert (terms.rate_cents, terms.connect_fee, terms.initial_seconds) == (cents, fee, 86_400)
    assert (terms.valid_from, terms.valid_until, terms.prefix) == (LONG_AGO, until, "123456789012345")


def test_a_prefix_longer_than_any_number_is_refused(db) -> None:
    with pytest.raises(Invalid, match="at most 15"):
        set_rate(NewRate("outbound", Decimal(1), LONG_AGO, "1" * 16), SYSTEM)
