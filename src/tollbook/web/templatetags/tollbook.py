"""`{% load tollbook %}`: values as people read them, and icons.

The words and rules live in `tollbook.web.formats`; here are only their names in templates.
"""

from datetime import date, datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from tollbook.web import formats

register = template.Library()
register.filter("money", formats.money)
register.filter("exact_money", formats.exact_money)
register.filter("cents", formats.cents)
register.filter("number", formats.number)
register.filter("percent", formats.percent)
register.filter("day", formats.day)
register.filter("duration", formats.duration)
register.filter("zone_name", formats.zone_name)

ICONS = {
    "download": "M8 2v8m0 0L4.75 6.75M8 10l3.25-3.25M2.5 11.5v1a1.5 1.5 0 0 0 1.5 1.5h8a1.5 1.5 0 0 0 1.5-1.5v-1",
    "previous": "M10 3 5 8l5 5",
    "next": "m6 3 5 5-5 5",
    "open": "m4 6 4 4 4-4",
    "ascending": "M8 13V3m0 0L4.5 6.5M8 3l3.5 3.5",
    "descending": "M8 3v10m0 0 3.5-3.5M8 13 4.5 9.5",
    "sortable": "M5 6.5 8 3.5l3 3M5 9.5l3 3 3-3",
    "search": "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.75-1.25L14 14",
    "warning": "M8 6v3.5m0 2.25v.1M7.1 2.6 1.6 12.2a1 1 0 0 0 .9 1.5h11a1 1 0 0 0 .9-1.5L8.9 2.6a1 1 0 0 0-1.8 0Z",
    "done": "m3 8.5 3.25 3.25L13 5",
    "lock": "M4.5 7.5v-2a3.5 3.5 0 0 1 7 0v2m-8 0h9v6h-9z",
}


@register.filter
def moment(value: datetime | None) -> str | SafeString:
    """`<time>` with the short form as text, and the full time with its zone on hover."""
    if value is None:
        return formats.NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"), formats.full_moment(value), formats.moment(value),
    )  # fmt: skip


@register.simple_tag
def period(first: date, last: date) -> str:
    """`{% period first last %}`: `Dec 1 - Dec 31`, both days included."""
    return formats.period(first, last)


@register.simple_tag
def icon(name: str) -> SafeString:
    """`{% icon "download" %}`: a decorative line icon; the element around it carries the name."""
    return mark_safe(f'<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{ICONS[name]}"/></svg>')


@register.filter
def minus(first: Decimal, second: Decimal) -> Decimal:
    """The difference of two amounts of one currency, exact."""
    return first - second


@register.filter
def negated(amount: Decimal) -> Decimal:
    """The same amount the other way round: a credit as what it is in its own column."""
    return -amount
