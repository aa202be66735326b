"""How amounts and quantities are written in answers."""

from decimal import Decimal

from tollbook.money.amount import to_micro


def money(value: Decimal) -> Decimal:
    """An amount in the account's currency: always 6 places."""
    return to_micro(value)


def plain(value: Decimal) -> Decimal:
    """A quantity or a rate: as short as it can be written without an exponent."""
    return Decimal(f"{value.normalize():f}")
