"""A whole deck at once: what the preview says is what the import does; all or nothing; safe to repeat."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cast import LONG_AGO, NOON, a_rate, an_account
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM, trail
from tollbook.accounts.tables import Account
from tollbook.errors import Conflict, Invalid
from tollbook.rating.deck import deck_of
from tollbook.rating.import_deck import IN_THE_WAY, Changes, Wanted, import_deck, preview
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.rating.sheet import Line
from tollbook.rating.tables import Rate

LATER = NOON + timedelta(days=1)


def lines(**cents: str) -> list[Line]:
    """Lines as `p1212="1.5"`; `p` alone is every destination."""
    return [Line(place, name[1:], Decimal(rate)) for place, (name, rate) in enumerate(cents.items(), 2)]


def wanted(**changes: object) -> Wanted:
    return Wanted(**({"type_code": "outbound", "valid_from": NOON} | changes))


def imported(deck: list[Line], **changes: object) -> Changes:
    """What an import did, which is what its preview said."""
    told = preview(deck, wanted(**changes))
    done = import_deck(deck, wanted(**changes), SYSTEM, "a test")
    assert done == told
    return done


def cents(account: Account, to: str, at=LATER) -> Decimal | None:
    terms = deck_of(account.id).find("outbound", to, at)
    return terms and terms.rate_cents


@pytest.fixture
def world(db) -> Account:
    """Default rates: 1 cent, 2 to 1..., 3 to 1212..., 4 to 44..., in steps of a second."""
    for prefix, rate in (("", "1"), ("1", "2"), ("1212", "3"), ("44", "4")):
        a_rate(cents=rate, prefix=prefix, initial=1, step=1)
    return an_account()


def test_every_prefix_is_of_one_kind_and_the_largest_changes_come_first(world: Account) -> None:
    done = imported(lines(p="1", p1="3", p1212="4.5", p44="1", p49="7"))
    assert done.counts == {"unchanged": 1, "dearer": 2, "cheaper": 1, "new": 1}
    assert [(one.prefix, one.percent) for one in done.first["dearer"]] == [("1", 50), ("1212", 50)]
    assert [(one.before, one.after, one.percent) for one in done.first["cheaper"]] == [(4, 1, -75)]
    assert done.changed == 4
    assert [cents(world, to) for to in ("7", "1", "1212", "44", "49")] == [1, 3, Decimal("4.5"), 1, 7]
    before = NOON - timedelta(seconds=1)
    assert [cents(world, to, before) for to in ("7", "1", "1212", "44", "49")] == [1, 2, 3, 4, 1]


def test_a_preview_changes_nothing(world: Account) -> None:
    rates = list(Rate.objects.values())
    preview(lines(p1="9", p5="9"), wanted(replace=True))
    assert list(Rate.objects.values()) == rates and trail(OPERATOR_ID).first().action == "rate.set"


def test_prefixes_that_are_missing_are_kept_unless_the_deck_is_replaced(world: Account) -> None:
    assert imported(lines(p1="2")).counts == {"unchanged": 1, "kept": 3}
    assert imported(lines(p1="2"), replace=True).counts == {"unchanged": 1, "ended": 3}
    assert [cents(world, to) for to in ("7", "1212", "44")] == [None, 2, None]


def test_other_steps_and_fees_are_a_change(world: Account) -> None:
    deck = [Line(2, "1", Decimal(2), connect_fee=Decimal("0.01")), Line(3, "44", Decimal(4), initial_seconds=30)]
    assert imported(deck).counts == {"other terms": 2, "kept": 2}
    terms = deck_of(world.id).find("outbound", "44", LATER)
    assert terms is not None and (terms.initial_seconds, terms.increment_seconds) == (30, 1)


def test_repeating_an_import_changes_nothing_more(world: Account) -> None:
    deck = lines(p="1.1", p1="3", p49="7")
    imported(deck)
    count = Rate.objects.count()
    assert imported(deck).counts == {"unchanged": 3, "kept": 2}
    assert Rate.objects.count() == count


def test_a_rate_that_begins_later_stands_in_the_way_and_nothing_is_changed(world: Account) -> None:
    set_rate(NewRate("outbound", Decimal(8), LATER, "1"), SYSTEM)
    rates = list(Rate.objects.values())
    for deck, replace in ((lines(p1="9", p5="9"), False), (lines(p5="9"), True)):
        assert preview(deck, wanted(replace=replace)).counts[IN_THE_WAY] == 1
        with pytest.raises(Conflict, match=r"A rate for \+1 begins at 2026-11-04 12:00:00 UTC"):
            import_deck(deck, wanted(replace=replace), SYSTEM, "a test")
    assert list(Rate.objects.values()) == rates


def test_another_price_at_the_very_same_instant_stands_in_the_way(world: Account) -> None:
    imported(lines(p1="9"))
    with pytest.raises(Conflict):
        import_deck(lines(p1="8"), wanted(), SYSTEM, "a test")
    assert cents(world, "1") == 9


def test_a_rate_that_was_going_to_end_goes_on_at_the_sheets_price(world: Account, db) -> None:
    with db.connect("owner") as owner:
        owner.execute("UPDATE rate SET valid_until = %s WHERE prefix = '44'", [LATER])
    assert imported(lines(p44="4")).counts == {"other terms": 1, "kept": 3}
    assert [cents(world, "44", at) for at in (NOON, LATER)] == [4, 4]


def test_an_accounts_deck_is_its_own(world: Account) -> None:
    other = an_account("contoso")
    assert imported(lines(p1="0.5"), owner=other.id).counts == {"new": 1}
    assert (cents(other, "1"), cents(world, "1")) == (Decimal("0.5"), 2)


def test_rates_of_other_types_are_left_alone(world: Account) -> None:
    a_rate("inbound", "5")
    imported(lines(p9="1"), replace=True)
    assert Rate.objects.filter(type_code="inbound", valid_until=None).count() == 1


def test_the_trail_tells_of_an_import_once(world: Account) -> None:
    imported(lines(p1="3", p44="1"))
    (line,) = trail(OPERATOR_ID).filter(action="rate.import")
    assert (line.target, line.reason, line.actor_name) == ("rate/outbound", "a test", "Tollbook")
    assert line.after["dearer"] == 1 and line.after["cheaper"] == 1 and line.after["from"] == NOON.isoformat()


def test_a_stop_on_the_way_leaves_everything_as_it_was(world: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tollbook.rating.import_deck.note", stop)
    rates = list(Rate.objects.values())
    with pytest.raises(KeyboardInterrupt):
        import_deck(lines(p1="9"), wanted(replace=True), SYSTEM, "a test")
    connection.close()
    assert list(Rate.objects.values()) == rates and cents(world, "1") == 2


@pytest.mark.parametrize("wrong", [{"type_code": "fax"}, {"valid_from": NOON.replace(tzinfo=None)}])
def test_an_impossible_place_is_refused(db, wrong: dict) -> None:
    with pytest.raises(Invalid):
        preview(lines(p1="1"), wanted(**wrong))


decks = st.dictionaries(st.text("12", max_size=3), st.integers(1, 3), max_size=6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decks, decks, decks, st.booleans())
def test_an_import_is_as_many_single_rates(db, first: dict, second: dict, asked: dict, replace: bool) -> None:
    account = Account.objects.filter(slug="northwind").first() or an_account()
    with db.connect("owner") as owner:
        owner.execute("DELETE FROM rate")
    for at, deck in ((LONG_AGO, first), (NOON, second)):
        sheet = [Line(place, prefix, Decimal(rate)) for place, (prefix, rate) in enumerate(deck.items(), 2)]
        imported(sheet, valid_from=at, replace=replace)
    now = second if replace else first | second
    for number in [*first, *second, *asked, "121212"]:
        for at, rates in ((NOON - timedelta(seconds=1), first), (NOON, now)):
            expected = next((rates[number[:n]] for n in range(len(number), -1, -1) if number[:n] in rates), None)
            assert cents(account, number, at) == expected
