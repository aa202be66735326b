"""How values are written for people: money, rates, quantities, days, moments, durations.

Pages (through the template tags), the live stream and files use these, so the same value reads the same everywhere.
Times are shown in Django's current time zone, which the portal sets to the account's. Spaces are ordinary ones, so
that what is copied from a page can be searched for; the stylesheet keeps figures from breaking.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.dateformat import format as format_date

from tollbook.money.amount import minor_unit, to_micro, to_minor
from tollbook.money.written import MINUS, with_symbol

NOTHING = "\N{EN DASH}"
CENT = Decimal("0.01")


def money(amount: Decimal | None, currency: str = "USD") -> str:
    """`$1,234.50`: an amount rounded to the currency's minor unit, half away from zero; `−$5.00` below zero."""
    return NOTHING if amount is None else with_symbol(to_minor(amount, currency), currency)


def exact_money(amount: Decimal | None, currency: str = "USD") -> str:
    """`$0.0132`: an amount with every place it has (up to 6), for the arithmetic of a single event."""
    return NOTHING if amount is None else with_symbol(_trimmed(amount, minor_unit(currency)), currency)


def aligned_money(amounts: Iterable[Decimal], currency: str = "USD") -> Callable[[Decimal], str]:
    """A writer of exact amounts for one column: all with as many places as the longest of `amounts` needs, so that their
    points stand below each other.
    """
    needed = [_trimmed(amount, minor_unit(currency)).as_tuple().exponent for amount in amounts]
    places = min((int(exponent) for exponent in needed), default=0)
    unit = min(minor_unit(currency), Decimal(1).scaleb(places))
    return lambda amount: with_symbol(to_micro(amount).quantize(unit), currency)


def cents(rate: Decimal | None) -> str:
    """`1.20`: a rate in cents per unit, at least 2 and at most 6 decimal places."""
    return NOTHING if rate is None else _signed(f"{_trimmed(rate, CENT):,f}")


def number(quantity: Decimal | int | None) -> str:
    """`12,345`: a count or a quantity, without trailing zeros."""
    return NOTHING if quantity is None else _signed(f"{_trimmed(Decimal(quantity), Decimal(1)):,f}")


def percent(share: Decimal | None) -> str:
    """`62 %` of a share given in percent; never `0 %` for something, never `100 %` for almost everything."""
    if share is None:
        return NOTHING
    if 0 < share < 1:
        return "<1 %"
    if 99 < share < 100:
        return "99 %"
    return _signed(f"{share.quantize(Decimal(1), ROUND_HALF_UP):,f}") + " %"


def day(value: date | datetime | None) -> str:
    """`Nov 3, 2026`; an instant's day is the one in the current zone."""
    return NOTHING if value is None else format_date(_local(value), "M j, Y")


def period(first: date, last: date) -> str:
    """`Dec 1 - Dec 31`, both days included; with years when the two days lie in different ones."""
    if first.year != last.year:
        return f"{day(first)} - {day(last)}"
    return f"{format_date(first, 'M j')} - {format_date(last, 'M j')}"


def moment(value: datetime | None, now: datetime | None = None) -> str:
    """`Nov 3, 14:02` in the current zone; with its year when that is not the present one."""
    if value is None:
        return NOTHING
    local, present = timezone.localtime(value), timezone.localtime(now or timezone.now())
    return format_date(local, "M j, H:i" if local.year == present.year else "M j, Y, H:i")


def full_moment(value: datetime) -> str:
    """`Tuesday, November 3, 2026, 14:02:07 EST (UTC-05:00)`: what hovering over a moment shows."""
    local = timezone.localtime(value)
    return f"{format_date(local, 'l, F j, Y, H:i:s')} {zone_name(local)}"


def zone_name(value: datetime) -> str:
    """`EST (UTC-05:00)`; `UTC` alone, and the offset alone where the zone has no letters of its own."""
    local = timezone.localtime(value)
    offset = f"{local:%z}"
    letters, offset = local.tzname() or "", f"UTC{offset[:3]}:{offset[3:5]}"
    if letters == "UTC":
        return letters
    return f"{letters} ({offset})" if letters.isalpha() else offset


def clock(value: datetime) -> str:
    """`14:02:07` in the current zone."""
    return format_date(timezone.localtime(value), "H:i:s")


def about(value: datetime, now: datetime | None = None) -> str:
    """A forecast, as coarse as it is sure: `15:40` today, `Thu 15:40` this week, `Dec 24` or `Dec 24, 2027` later."""
    local, present = timezone.localtime(value), timezone.localtime(now or timezone.now())
    days = (local.date() - present.date()).days
    if days == 0:
        return format_date(local, "H:i")
    if 0 < days < 7:
        return format_date(local, "D H:i")
    return format_date(local, "M j" if local.year == present.year else "M j, Y")


def duration(seconds: Decimal | int | None) -> str:
    """`45 s`, `1 min 06 s`, `3 h 12 min`: exact, because people recompute it; trailing zero units are left out."""
    if seconds is None:
        return NOTHING
    total = Decimal(seconds)
    minutes, rest = divmod(abs(total), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    while len(parts) > 1 and parts[-1][0] == 0:
        parts.pop()
    (first, unit), *others = parts
    text = " ".join([f"{number(first)} {unit}"] + [f"{_two_digits(value)} {unit}" for value, unit in others])
    return MINUS + text if total < 0 else text


def local_date(value: datetime, zone: str) -> date:
    """The day of an instant in a time zone, for files."""
    return value.astimezone(ZoneInfo(zone)).date()


def _local(value: date | datetime) -> date | datetime:
    return timezone.localtime(value) if isinstance(value, datetime) else value


def _trimmed(value: Decimal, coarsest: Decimal) -> Decimal:
    """The value with at most 6 places and without trailing zeros, except those down to `coarsest` (0.01: two places)."""
    exact = to_micro(value).normalize()
    return exact.quantize(min(coarsest, Decimal(1).scaleb(int(exact.as_tuple().exponent))))


def _signed(text: str) -> str:
    return text.replace("-", MINUS) if text.strip("-0.,") else text.lstrip("-")


def _two_digits(value: Decimal) -> str:
    return ("0" if value < 10 else "") + number(value)
