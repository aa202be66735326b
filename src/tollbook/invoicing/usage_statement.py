"""The statement of usage as a document: what each kind of service was used on each day of a period, and what it cost.

Events may be sent late, so only the statement of days that nobody can add to any more is kept; others are made anew and
say so.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from django.conf import settings

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid
from tollbook.invoicing import kept
from tollbook.invoicing.document import figures
from tollbook.invoicing.document.sheet import Column, Sheet
from tollbook.invoicing.document.typeset import typeset_sheet
from tollbook.invoicing.file import locale_of
from tollbook.invoicing.letterhead import letterhead
from tollbook.invoicing.seller import buyer
from tollbook.money.amount import ZERO
from tollbook.rating.tables import CreditType
from tollbook.usage.statement import Day, days

LONGEST_DAYS = 92
COLUMNS = (
    Column("Date"), Column("Service"), Column("Events", is_figure=True), Column("Used", is_figure=True),
    Column("Billed", is_figure=True), Column("Cost", is_figure=True),
)  # fmt: skip
PREPAID = "Usage is paid from prepaid credit and not invoiced again."
SO_FAR = "Events may still be sent late for these days, so a later statement of them may show more."


def usage_statement_pdf(account: Account, first_on: date, last_on: date) -> bytes:
    """The document of a period, both days included. Any transaction, the portal's included. Raises Invalid."""
    if not timedelta(0) <= last_on - first_on < timedelta(days=LONGEST_DAYS):
        raise Invalid(f"A statement of usage is of at most {LONGEST_DAYS} days.", field="last")
    if last_on + timedelta(days=settings.LATE_DAYS + 1) >= today_in(account):
        return typeset_sheet(_sheet(account, first_on, last_on, f"{PREPAID} {SO_FAR}"))
    return kept.of_days(
        account, "usage_statement", first_on, last_on, lambda: typeset_sheet(_sheet(account, first_on, last_on, PREPAID))
    )


def _sheet(account: Account, first_on: date, last_on: date, notes: str) -> Sheet:
    locale = locale_of(buyer(account))
    types = {one.code: one for one in CreditType.objects.order_by("position")}
    found = days(account.id, account.timezone, last_on, (last_on - first_on).days + 1)
    used = [(types[code], day) for code in types for day in found.get(code, ()) if day.events]
    sums = {
        code: sum((day.cost for one, day in used if one.code == code), ZERO) for code in {one.code for one, _ in used}
    }
    total = figures.money(sum(sums.values(), ZERO), account.currency, locale)
    return Sheet(
        kind="Usage statement",
        number=figures.span(first_on, last_on, locale),
        made_on=last_on,
        facts=(
            ("Period", figures.span(first_on, last_on, locale)),
            ("Events", figures.quantity(Decimal(sum(day.events for _, day in used)), locale)),
        ),
        headline=("Used", total, account.currency),
        columns=COLUMNS,
        rows=tuple(_row(one, day, account.currency, locale) for one, day in used),
        sums=(*_sums(types.values(), sums, account.currency, locale), ("Total", total)),
        empty="Nothing was used in this period.",
        notes=notes,
        **letterhead(account),
    )


def _row(type: CreditType, day: Day, currency: str, locale: str) -> tuple[str, ...]:
    counts = (Decimal(day.events), day.quantity, day.billed)
    written = [figures.quantity(count, locale) for count in counts]
    unit = f" {type.unit}"
    cost = figures.money(day.cost, currency, locale)
    return figures.day(day.on, locale), type.name, written[0], written[1] + unit, written[2] + unit, cost


def _sums(
    types: Iterable[CreditType], sums: dict[str, Decimal], currency: str, locale: str
) -> Iterable[tuple[str, str]]:
    return [(one.name, figures.money(sums[one.code], currency, locale)) for one in types if one.code in sums]
