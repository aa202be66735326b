"""Money as people read it, in sentences, on pages and in files: one form everywhere."""

from decimal import Decimal

from tollbook.money.amount import to_minor

MINUS = "\N{MINUS SIGN}"
SYMBOLS = {
    "USD": "$", "EUR": "€", "GBP": "£", "CAD": "CA$", "AUD": "A$", "NZD": "NZ$", "MXN": "MX$", "BRL": "R$",
    "JPY": "¥", "CNY": "CN¥", "INR": "₹", "KRW": "₩", "ILS": "₪", "PHP": "₱",
}  # fmt: skip


def money(amount: Decimal, currency: str) -> str:
    """`$1,234.50`: rounded to the currency's minor unit, half away from zero; `−$5.00` below zero."""
    return with_symbol(to_minor(amount, currency), currency)


def with_symbol(value: Decimal, currency: str) -> str:
    """The value with every place it has, and the currency's symbol."""
    symbol = SYMBOLS.get(currency, f"{currency} ")
    return (MINUS if value < 0 else "") + symbol + f"{abs(value):,f}"
