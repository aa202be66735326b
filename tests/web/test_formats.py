"""Values read the same everywhere. No database."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from tollbook.web import brand, charts, formats, gauges
from tollbook.web.templatetags import tollbook as tags

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def new_york():
    with timezone.override(NEW_YORK):
        yield


@pytest.mark.parametrize(
    "amount, currency, text",
    [
        ("1234.5", "USD", "$1,234.50"),
        ("0", "USD", "$0.00"),
        ("-5", "USD", "−$5.00"),
        ("0.005", "USD", "$0.01"),
        ("-0.005", "USD", "−$0.01"),
        ("-0.004", "USD", "$0.00"),
        ("99999999999999.999999", "USD", "$100,000,000,000,000.00"),
        ("1234.5", "JPY", "¥1,235"),
        ("1.2345", "KWD", "KWD 1.235"),
        ("12", "EUR", "€12.00"),
    ],
)
def test_money_has_the_minor_unit_of_its_currency_and_a_true_minus(amount, currency, text):
    assert formats.money(Decimal(amount), currency) == text


@pytest.mark.parametrize(
    "amount, text", [("0.0132", "$0.0132"), ("0.5", "$0.50"), ("10", "$10.00"), ("-0.000001", "−$0.000001")]
)
def test_exact_money_shows_every_place_it_has(amount, text):
    assert formats.exact_money(Decimal(amount)) == text


@pytest.mark.parametrize(
    "rate, text",
    [("1.2", "1.20"), ("1.200000", "1.20"), ("0.0125", "0.0125"), ("1.2345678", "1.234568"), ("1500", "1,500.00")],
)
def test_cents_have_two_to_six_places(rate, text):
    assert formats.cents(Decimal(rate)) == text


@pytest.mark.parametrize(
    "quantity, text", [(12345, "12,345"), (Decimal("61.000000"), "61"), (Decimal("-0.50"), "−0.5"), (0, "0")]
)
def test_numbers_are_grouped_and_lose_their_trailing_zeros(quantity, text):
    assert formats.number(quantity) == text


@pytest.mark.parametrize(
    "share, text",
    [("0", "0 %"), ("0.2", "<1 %"), ("61.976", "62 %"), ("99.7", "99 %"), ("100", "100 %"), ("1042.4", "1,042 %")],
)
def test_percent_never_rounds_something_to_nothing_or_almost_to_all(share, text):
    assert formats.percent(Decimal(share)) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (66, "1 min 06 s"),
        (11520, "3 h 12 min"),
        (3605, "1 h 00 min 05 s"),
        (-66, "−1 min 06 s"),
        (Decimal("7.5"), "7.5 s"),
    ],
)
def test_a_duration_is_exact(seconds, text):
    assert formats.duration(seconds) == text


def test_a_day_is_the_one_in_the_current_zone():
    assert formats.day(datetime(2026, 11, 4, 2, 0, tzinfo=UTC)) == "Nov 3, 2026"
    assert formats.day(date(2026, 11, 4)) == "Nov 4, 2026"


def test_a_period_names_years_only_when_they_differ():
    assert formats.period(date(2026, 12, 1), date(2026, 12, 31)) == "Dec 1 - Dec 31"
    assert formats.period(date(2026, 12, 16), date(2027, 1, 15)) == "Dec 16, 2026 - Jan 15, 2027"


def test_a_moment_is_short_with_its_year_when_that_is_another():
    assert formats.moment(NOON, NOON) == "Nov 23, 07:00"
    assert formats.moment(NOON, NOON + timedelta(days=60)) == "Nov 23, 2026, 07:00"


def test_a_moment_tells_its_zone_on_hover():
    html = tags.moment(NOON)
    assert 'datetime="2026-11-23T12:00:00+00:00"' in html
    assert 'title="Monday, November 23, 2026, 07:00:00 EST (UTC-05:00)"' in html


def test_a_zone_without_letters_is_its_offset():
    assert formats.zone_name(NOON) == "EST (UTC-05:00)"
    with timezone.override(ZoneInfo("America/Sao_Paulo")):
        assert formats.zone_name(NOON) == "UTC-03:00"
    with timezone.override(UTC):
        assert formats.zone_name(NOON) == "UTC"


def test_a_forecast_is_as_coarse_as_it_is_sure():
    assert formats.about(NOON + timedelta(hours=3), NOON) == "10:00"
    assert formats.about(NOON + timedelta(days=3), NOON) == "Thu 07:00"
    assert formats.about(NOON + timedelta(days=20), NOON) == "Dec 13"
    assert formats.about(NOON + timedelta(days=80), NOON) == "Feb 11, 2027"


@pytest.mark.parametrize(
    "write",
    [
        formats.money,
        formats.exact_money,
        formats.cents,
        formats.number,
        formats.percent,
        formats.day,
        formats.duration,
        tags.moment,
    ],
)
def test_nothing_is_a_dash(write):
    assert write(None) == "–"


def gauge(**changes):
    given = {
        "type": "outbound", "name": "Outbound Minutes", "currency": "USD", "balance": Decimal("190.12"),
        "held": Decimal(0), "available": Decimal("190.12"), "used": Decimal("309.88"), "funded": Decimal(500),
        "since": NOON, "minimum": None, "runs_out": NOON + timedelta(days=3), "now": NOON,
    }  # fmt: skip
    return gauges.row(**(given | changes))


def test_a_gauge_says_it_all_in_one_row():
    row = gauge()
    assert row["text"]["percent"] == "62 % used"
    assert row["text"]["left"] == "$190.12 left of $500.00 since Nov 23, 07:00"
    assert row["text"]["outlook"] == "runs out about Thu 07:00"
    assert gauge(minimum=Decimal(50))["text"]["outlook"] == "refills at $50.00"
    assert gauge(minimum=Decimal(50))["refill_mark"] == 90


def test_a_bar_is_clamped_and_its_number_is_not():
    row = gauge(used=Decimal(620), balance=Decimal(-120), available=Decimal(-130), held=Decimal(10))
    assert (row["used_share"], row["held_share"], row["state"]) == (100, 0, "empty")
    assert row["text"]["percent"] == "124 % used"


def test_a_wallet_that_was_never_funded_is_at_zero_and_says_so():
    row = gauge(used=Decimal(0), balance=Decimal(0), available=Decimal(0), funded=None, since=None, runs_out=None)
    assert (row["used_percent"], row["state"], row["text"]["left"]) == (0, "new", "No credit yet")


def test_at_its_minimum_a_wallet_is_low():
    assert gauge(minimum=Decimal("190.12"))["state"] == "low"
    assert gauge(minimum=Decimal("190.11"))["state"] == "ok"


@pytest.mark.parametrize("accent", ["#ffffff", "#000000", "#ffe600", "#635bff", "#808080"])
def test_any_accent_is_readable_in_light_and_in_dark(accent):
    for surface in (brand.LIGHT_SURFACE, brand.DARK_SURFACE):
        assert brand.contrast(brand.readable(accent, surface), surface) >= 4.5
    assert brand.contrast(brand.readable(accent, brand.LIGHT_SURFACE), brand.LIGHT_TEXT) >= 4.5
    assert brand.contrast(brand.readable(accent, brand.DARK_SURFACE), brand.DARK_TEXT) >= 4.5


def test_an_accent_that_is_not_a_colour_is_refused():
    with pytest.raises(ValueError, match="#rrggbb"):
        brand.stylesheet("red;}body{display:none")


def test_a_step_chart_stays_inside_its_plot_and_repeats_its_points():
    points = [(NOON + timedelta(hours=hour), Decimal(500 - hour)) for hour in range(480)]
    chart = charts.steps(
        "Fell", points, until=NOON + timedelta(days=20), columns=("From", "Balance"), unit="US dollars"
    )
    assert all(0 <= tick.at <= 100 for tick in chart.y_ticks + chart.x_ticks)
    assert chart.rows[-1][1] == "$21.00"
    assert len(chart.rows) == 480


def test_a_bar_chart_hangs_negative_values_below_its_zero_line():
    chart = charts.bars("Mixed", [("a", Decimal(10)), ("b", Decimal(-5))], columns=("Day", "Net"), unit="US dollars")
    above, below = chart.bars
    assert above.y + above.height == pytest.approx(chart.zero)
    assert below.y == pytest.approx(chart.zero)


@pytest.mark.parametrize("values", [[], ["0"], ["0", "0"], ["0.000001"], ["99999999999999"]])
def test_charts_take_nothing_zero_tiny_and_huge(values):
    chart = charts.bars("Any", [("x", Decimal(value)) for value in values], columns=("Day", "Used"), unit="US dollars")
    assert all(0 <= bar.y <= 100 and 0 <= bar.height <= 100 for bar in chart.bars)


def test_exact_amounts_of_a_column_have_the_same_number_of_places():
    written = formats.aligned_money([Decimal("1.5"), Decimal("-0.0132")])
    assert (written(Decimal("1.5")), written(Decimal("-0.0132"))) == ("$1.5000", "−$0.0132")
    assert formats.aligned_money([Decimal(100)])(Decimal(100)) == "$100.00"
    assert formats.aligned_money([])(Decimal(7)) == "$7.00"
    assert formats.aligned_money([Decimal(5)], "JPY")(Decimal(5)) == "¥5"
