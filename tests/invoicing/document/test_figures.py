"""Figures as the reader's locale writes them."""

from datetime import date
from decimal import Decimal

import pytest

from tollbook.invoicing.document import figures


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        ("1234.5", "USD", "en-US", "$1,234.50"),
        ("-50", "USD", "en-US", "−$50.00"),
        ("0", "USD", "en-US", "$0.00"),
        ("1234567.89", "EUR", "de-DE", "1.234.567,89\u00a0€"),
        ("1234.5", "EUR", "fr-FR", "1\u202f234,50\u00a0€"),
        ("1234.5", "EUR", "en-IE", "€1,234.50"),
        ("12345", "JPY", "ja-JP", "¥12,345"),
        ("1.234", "KWD", "en-US", "KWD\u00a01.234"),
        ("10", "CHF", "de-CH", "CHF\u00a010.00"),
        ("10", "CAD", "en-US", "CA$10.00"),
        ("10", "CAD", "en-CA", "$10.00"),
        ("99999999999999.99", "USD", "en-US", "$99,999,999,999,999.99"),
    ],
)
def test_money_has_the_currency_s_places_and_the_locale_s_marks(amount, currency, locale, text):
    assert figures.money(Decimal(amount), currency, locale) == text


def test_money_of_the_database_loses_its_idle_zeros_and_no_other_place():
    assert figures.money(Decimal("10.000000"), "USD", "en-US") == "$10.00"
    assert figures.money(Decimal("0.013200"), "USD", "en-US") == "$0.0132"


@pytest.mark.parametrize(
    ("value", "text"), [("25", "25"), ("1500.000000", "1,500"), ("0.5", "0.5"), ("-2", "−2"), ("1E+3", "1,000")]
)
def test_a_quantity_has_separators_and_no_idle_zeros(value, text):
    assert figures.quantity(Decimal(value), "en-US") == text


def test_days_read_as_their_readers_write_them():
    assert figures.day(date(2026, 11, 3), "en-US") == "Nov 3, 2026"
    assert figures.day(date(2026, 11, 3), "en-GB") == "3 Nov 2026"


def test_a_span_says_the_year_once_unless_it_has_two():
    assert figures.span(date(2026, 11, 1), date(2026, 11, 30), "en-US") == "Nov 1 – Nov 30, 2026"
    assert figures.span(date(2026, 11, 1), date(2026, 11, 30), "de-DE") == "1 Nov – 30 Nov 2026"
    assert figures.span(date(2026, 12, 15), date(2027, 1, 14), "en-US") == "Dec 15, 2026 – Jan 14, 2027"
