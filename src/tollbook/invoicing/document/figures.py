"""Amounts, quantities and days as text, in the reader's locale. Nothing here rounds a printed amount: it must fit."""

from datetime import date
from decimal import Decimal

from tollbook.money.amount import minor_unit

MINUS = "\u2212"
_NBSP = "\u00a0"
_NARROW = "\u202f"
_FINEST_PLACES = 6

_SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "CA$", "AUD": "A$", "NZD": "NZ$", "SGD": "S$", "HKD": "HK$",
    "MXN": "MX$", "BRL": "R$", "INR": "₹", "KRW": "₩", "ILS": "₪", "PHP": "₱", "VND": "₫", "UAH": "₴", "NGN": "₦",
}  # fmt: skip
# Where a dollar is simply the dollar.
_AT_HOME = {("en-CA", "CAD"), ("fr-CA", "CAD"), ("en-AU", "AUD"), ("en-NZ", "NZD"), ("en-SG", "SGD"), ("es-MX", "MXN")}
# language or locale: (between thousands, before decimals, symbol stands after)
_STYLES = {
    "de": (".", ",", True), "es": (".", ",", True), "it": (".", ",", True), "pt": (".", ",", True),
    "nl": (".", ",", False), "da": (".", ",", True), "el": (".", ",", True), "tr": (".", ",", False),
    "id": (".", ",", False),
    "fr": (_NARROW, ",", True), "nb": (_NBSP, ",", True), "sv": (_NBSP, ",", True), "fi": (_NBSP, ",", True),
    "pl": (_NBSP, ",", True), "cs": (_NBSP, ",", True), "uk": (_NBSP, ",", True),
    "de-CH": ("’", ".", False), "de-AT": (_NBSP, ",", False), "es-MX": (",", ".", False), "es-US": (",", ".", False),
    "pt-BR": (".", ",", False),
}  # fmt: skip
_PLAIN = (",", ".", False)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def money(amount: Decimal, currency: str, locale: str) -> str:
    """An amount of `currency` with exactly its minor places: `$1,234.50`, `1.234,50 €`, `¥1,235`, `CHF 10.00`.

    Places beyond the minor unit are printed too, never dropped: `$0.0132`; that is how unit prices look.
    """
    between, point, after = _style(locale)
    figures = _figures(abs(amount), max(_minor_places(currency), _places(amount)), between, point)
    symbol = _symbol(currency, locale)
    text = f"{figures}{_NBSP}{symbol}" if after else f"{symbol}{_NBSP if symbol[-1].isalpha() else ''}{figures}"
    return f"{MINUS}{text}" if amount < 0 else text


def quantity(value: Decimal, locale: str) -> str:
    """A count with separators and without idle zeros: `1,500`, `0.5`."""
    between, point, _ = _style(locale)
    return (MINUS if value < 0 else "") + _figures(abs(value), _places(value), between, point)


def day(value: date, locale: str) -> str:
    """`Nov 3, 2026` for American readers, `3 Nov 2026` for everybody else."""
    month = _MONTHS[value.month - 1]
    return f"{month} {value.day}, {value.year}" if locale.endswith("-US") else f"{value.day} {month} {value.year}"


def span(start: date, end: date, locale: str) -> str:
    """Both days, with an en dash: `Nov 1 – Nov 30, 2026`; the year once when it is the same."""
    first = day(start, locale)
    if start.year == end.year:
        first = first.removesuffix(f" {start.year}").rstrip(",")
    return f"{first} – {day(end, locale)}"


def _style(locale: str) -> tuple[str, str, bool]:
    return _STYLES.get(locale) or _STYLES.get(locale.split("-")[0], _PLAIN)


def _symbol(currency: str, locale: str) -> str:
    return "$" if (locale, currency) in _AT_HOME else _SYMBOLS.get(currency, currency)


def _minor_places(currency: str) -> int:
    return -int(minor_unit(currency).as_tuple().exponent)


def _places(value: Decimal) -> int:
    """Places that `value` needs: its own without idle zeros. At most 6: no rate is finer."""
    return min(_FINEST_PLACES, max(0, -int(value.normalize().as_tuple().exponent)))


def _figures(value: Decimal, places: int, between: str, point: str) -> str:
    whole, _, rest = f"{value:,.{places}f}".partition(".")
    return whole.replace(",", between) + (point + rest if rest else "")
