"""Rules: what can be set, what they say, what they would do."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.refills.shop import OWNER, USUAL, Shop, other
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import AuditEntry
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound
from tollbook.payments import method
from tollbook.refills import rule as rules
from tollbook.refills.rehearsal import replay
from tollbook.refills.rule import amount_for, change, check, preview, sentence


@pytest.mark.parametrize(
    ("field", "changed", "says"),
    [
        ("refill_amount", {"refill_amount": "0"}, "more than zero"),
        ("refill_amount", {"refill_amount": "10.001"}, r"such as \$500.00"),
        ("refill_amount", {"refill_amount": "NaN"}, "such as"),
        ("minimum_before_refill", {"minimum_before_refill": "-1"}, "below zero"),
        ("monthly_cap", {"monthly_cap": "499.99"}, "does not allow a single refill"),
        (
            "monthly_cap",
            {"refill_amount": "10", "minimum_before_refill": "500", "monthly_cap": "500"},
            r"\$510.00 would be",
        ),
        ("max_charges_per_day", {"max_charges_per_day": 0}, "1 to 100"),
        ("max_charges_per_day", {"max_charges_per_day": 101}, "1 to 100"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_a_sentence_lago_api_6103(field: str, changed: dict, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        check(other(**changed), "USD")
    assert refused.value.details["field"] == field


def test_a_currency_without_cents_has_rules_without_cents() -> None:
    with pytest.raises(Invalid):
        check(other(refill_amount="500.50"), "JPY")
    check(USUAL, "JPY")


def test_every_change_has_a_version_and_a_line_in_the_trail(shop: Shop) -> None:
    assert shop.rule().version == 1
    assert shop.rule(other(refill_amount="300.00")).version == 2
    assert shop.rule(other(refill_amount="300.00")).version == 2, "what is the same is no change"
    entries = AuditEntry.objects.filter(account_id=shop.id, action="refill_rule.change").order_by("id")
    first, second = entries
    assert (first.before, first.actor_name, first.target) == (None, OWNER.name, "wallet/outbound")
    assert (second.before["refill_amount"], second.after["refill_amount"]) == ("500.000000", "300.00")


def test_a_change_on_top_of_somebody_elses_is_refused(shop: Shop) -> None:
    shop.rule()
    shop.rule(other(refill_amount="300.00"))
    with pytest.raises(Conflict, match="meanwhile"):
        change(shop.account, "outbound", other(refill_amount="400.00"), OWNER, version=1)
    with pytest.raises(Conflict):
        change(shop.account, "inbound", USUAL, OWNER, version=1)
    assert change(shop.account, "inbound", USUAL, OWNER, version=0).version == 1


def test_the_system_never_changes_a_rule_codex_31987(shop: Shop) -> None:
    with pytest.raises(Forbidden):
        change(shop.account, "outbound", USUAL, SYSTEM)


def test_a_rule_needs_a_wallet(shop: Shop) -> None:
    with pytest.raises(NotFound):
        change(shop.account, "fax", USUAL, OWNER)


def test_the_rule_says_itself_in_plain_words(shop: Shop) -> None:
    card = shop.card()
    assert sentence(USUAL, shop.account, "outbound", card) == (
        "When Outbound Minutes falls to $50.00 or less, charge $500.00 to Visa •• 4242;"
        " at most 3 times a day and $5,000.00 a month."
    )
    assert "charge $500.00 to a card, once there is one" in sentence(USUAL, shop.account, "outbound", None)
    assert sentence(other(automatic=False), shop.account, "sms", card) == "SMS Credit is not refilled automatically."


@pytest.mark.parametrize(
    ("balance", "amount"),
    [("50", "500"), ("-449.99", "500"), ("-450", "1000"), ("-2000", "2500"), ("49.999999", "500")],
)
def test_one_charge_closes_the_gap(balance: str, amount: str) -> None:
    after = Decimal(balance) + amount_for(USUAL, Decimal(balance))
    assert amount_for(USUAL, Decimal(balance)) == Decimal(amount)
    assert USUAL.minimum_before_refill < after <= USUAL.minimum_before_refill + USUAL.refill_amount


def test_a_preview_says_what_would_happen_now_and_in_a_month(shop: Shop) -> None:
    shop.credit("1100.00")
    shop.use("1060.00")
    shop.card()
    now, month = preview(shop.account, "outbound", USUAL).effects
    assert now == "The balance is at or below the minimum already: this would charge $500.00 right now."
    assert month == "At last month's pace this would charge 2 times, $1,500.00."
    assert preview(shop.account, "outbound", other(automatic=False)).effects == (
        "Nothing will be charged automatically.",
    )


def test_a_preview_says_what_keeps_the_charge_from_happening_now(shop: Shop) -> None:
    shop.credit("20.00")
    [now, month] = preview(shop.account, "outbound", USUAL).effects
    assert now.endswith("but $500.00 would not be charged now: There is no card to charge.")
    assert month == "Nothing was used in the last 30 days, so there is no pace to go by."


def test_a_preview_above_the_minimum_charges_nothing_now(shop: Shop) -> None:
    shop.credit("200.00")
    shop.use("1.00")
    assert preview(shop.account, "outbound", USUAL).effects == ("At last month's pace this would not charge.",)
    with pytest.raises(Invalid):
        preview(shop.account, "outbound", other(refill_amount="0"))


def test_a_preview_stores_nothing(shop: Shop) -> None:
    shop.credit("20.00")
    preview(shop.account, "outbound", USUAL)
    assert rules.of_wallet(shop.id, shop.wallet().id) is None
    assert method.default_of(shop.id) is None


def hours(*costs: str, start: datetime = datetime(2026, 11, 2, 12, tzinfo=UTC)) -> list[tuple[datetime, Decimal]]:
    return [(start + timedelta(hours=index), Decimal(cost)) for index, cost in enumerate(costs)]


def test_a_rehearsal_counts_charges_by_the_rule() -> None:
    effect = replay(USUAL, Decimal(100), hours("60", "400", "100", "490"), ZoneInfo("UTC"))
    assert (effect.charges, effect.total, effect.capped) == (3, Decimal(1500), False)
    assert effect.sentence("USD") == "At last month's pace this would charge 3 times, $1,500.00."


def test_a_rehearsal_knows_the_caps() -> None:
    daily = replay(other(max_charges_per_day=1), Decimal(100), hours("60", "500"), ZoneInfo("UTC"))
    assert (daily.charges, daily.capped) == (1, True)
    next_day = replay(
        other(max_charges_per_day=1), Decimal(100), hours(*["60"] + ["0"] * 11 + ["500"]), ZoneInfo("UTC")
    )
    assert (next_day.charges, next_day.capped) == (2, False)
    abroad = replay(
        other(max_charges_per_day=1), Decimal(100), hours(*["60"] + ["0"] * 11 + ["500"]), ZoneInfo("America/New_York")
    )
    assert (abroad.charges, abroad.capped) == (1, True)
    monthly = replay(other(monthly_cap="600"), Decimal(100), hours("60", "500"), ZoneInfo("UTC"))
    assert (monthly.charges, monthly.total, monthly.capped) == (1, Decimal(500), True)
    assert "then a cap would stop it" in monthly.sentence("USD")
    of_account = replay(USUAL, Decimal(100), hours("60", "500"), ZoneInfo("UTC"), account_month=Decimal(600))
    assert (of_account.charges, of_account.stopped_days) == (1, 1)


def test_a_rehearsal_counts_calendar_months_as_the_machine_does() -> None:
    eve = datetime(2026, 11, 30, 22, tzinfo=UTC)
    effect = replay(other(monthly_cap="500"), Decimal(60), hours("60", "500", "0", start=eve), ZoneInfo("UTC"))
    assert (effect.charges, effect.total, effect.stopped_days) == (2, Decimal(1000), 1)


def test_a_rehearsal_knows_the_breaker_and_the_lowest_balance_new_years_day() -> None:
    drained = [(datetime(2026, 11, 2, 12, minute, tzinfo=UTC), Decimal(500)) for minute in range(0, 60, 6)]
    rule = other(max_charges_per_day=50, monthly_cap="1000000")
    effect = replay(rule, Decimal(100), drained, ZoneInfo("UTC"))
    assert (effect.charges, effect.lowest, effect.stopped_days) == (5, Decimal(-2400), 1)


def test_a_rehearsal_is_what_the_machine_would_have_done(shop: Shop) -> None:
    """The same use, the same caps: replayed beforehand, then really used and refilled step by step."""
    rule = other(refill_amount="40", minimum_before_refill="30", max_charges_per_day=3, monthly_cap="200")
    shop.ready("100.00", rule=rule)
    costs = [Decimal(cents) / 100 for cents in (4500, 2600, 100, 5100, 4999, 1, 7300, 8000, 1200)]
    effect = replay(rule, shop.balance(), [(datetime.now(UTC), cost) for cost in costs], ZoneInfo("UTC"))
    lowest = shop.balance()
    for cost in costs:
        shop.use(cost)
        lowest = min(lowest, shop.balance())
        shop.run()
    refilled = [refill.amount for refill in shop.refills()]
    assert (effect.charges, effect.total, effect.lowest) == (len(refilled), sum(refilled), lowest)
    assert effect.capped and shop.stop().code in ("daily_count", "monthly_cap")
