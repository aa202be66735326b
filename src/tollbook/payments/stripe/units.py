"""Amounts as Stripe counts them: whole numbers of a currency's smallest unit, with a few exceptions it documents."""

from decimal import Decimal

from tollbook.money.amount import minor_unit

# https://docs.stripe.com/currencies: these are counted in hundredths although nobody can pay a fraction of them.
_HUNDREDTHS = {"ISK", "UGX"}
_WHOLE = {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
_THOUSANDTHS = {"BHD", "JOD", "KWD", "OMR", "TND"}
_HUNDREDTH = Decimal("0.01")


class NotChargeable(ValueError):
    """An amount that Stripe can't take as it is; nothing was asked."""


def places(currency: str) -> int:
    """How many decimal places of `currency` Stripe counts."""
    return 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2


def to_units(amount: Decimal, currency: str) -> int:
    """`amount` as Stripe counts it. Raises NotChargeable for what it can't take exactly: finer than the currency can be
    paid, or not a multiple of ten thousandths where there are thousandths; and for a currency without hundredths of which
    Stripe doesn't say how it counts it, because it takes none of these."""
    if minor_unit(currency) != _HUNDREDTH and currency not in _WHOLE | _THOUSANDTHS | _HUNDREDTHS:
        raise NotChargeable(f"{currency} can't be charged to a card")
    counted = amount.scaleb(places(currency))
    step = 10 if currency in _THOUSANDTHS else 100 if currency in _HUNDREDTHS else 1
    if amount <= 0 or counted % step != 0:
        raise NotChargeable(f"{amount:f} {currency} can't be charged to a card")
    return int(counted)


def from_units(counted: int, currency: str) -> Decimal:
    """What Stripe counts so, as an amount with the places of the currency's minor unit."""
    amount = Decimal(counted).scaleb(-places(currency))
    smallest = minor_unit(currency)
    return amount.quantize(smallest) if amount % smallest == 0 else amount
