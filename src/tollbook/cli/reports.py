"""`tollbook report ...`: reports as CSV, to a file or to standard output."""

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from uuid import UUID

import click
from django.conf import settings

from tollbook.accounts.account import by_slug
from tollbook.errors import Refused
from tollbook.reports import aging as ages
from tollbook.reports import chart as charts
from tollbook.reports import journal as journals
from tollbook.reports import layouts
from tollbook.reports.days import Days, last_month
from tollbook.reports.revenue import revenue as earned
from tollbook.reports.rollforward import rollforward
from tollbook.web import sheets

BY_DAY = {"days": layouts.of_journals, "quickbooks": layouts.of_quickbooks, "xero": layouts.of_xero}


def credit(
    since: datetime | None, until: datetime | None, by_account: bool, account: str | None, file: Path | None
) -> None:
    """Write the roll-forward of prepaid credit."""
    report = rollforward(_days(since, until), _account(account), by_account or account is not None)
    _write(layouts.of_rollforward(report), file)
    _end(report.differences)


def revenue(since: datetime | None, until: datetime | None, account: str | None, file: Path | None) -> None:
    """Write deferred and recognised revenue, day by day."""
    report = earned(_days(since, until), _account(account))
    _write(layouts.of_revenue(report), file)
    _end(report.differences)


def aging(day: datetime | None, account: str | None, file: Path | None) -> None:
    """Write what was open at the end of a day (UTC)."""
    report = ages.aging(day.date() if day else _today(), _account(account))
    _write(layouts.of_aging(report), file)
    _end(report.differences)


def journal(
    since: datetime | None,
    until: datetime | None,
    layout: str,
    chart: Path | None,
    account: str | None,
    file: Path | None,
) -> None:
    """Write every entry, or daily journals for an accounting program."""
    days, account_id = _days(since, until), _account(account)
    if layout == "entries":
        _write(layouts.of_entries(journals.entries(days, account_id)), file)
        return
    try:
        names = charts.chosen(chart or settings.CHART)
    except Refused as error:
        raise click.UsageError(error.message) from None
    found = journals.journals(days, names, account_id)
    if layout == "xero" and len(currencies := sorted({one.currency for one in found})) > 1:
        raise click.UsageError(f"Xero's manual journals have one currency; here are {', '.join(currencies)}. Use --account.")
    _write(BY_DAY[layout](found), file)


def _days(since: datetime | None, until: datetime | None) -> Days:
    usual = last_month(_today())
    try:
        return Days(since.date() if since else usual.since, until.date() if until else usual.until)
    except Refused as error:
        raise click.UsageError(error.message) from None


def _account(slug: str | None) -> UUID | None:
    try:
        return by_slug(slug).id if slug else None
    except Refused as error:
        raise click.ClickException(error.message) from None


def _today() -> date:
    return datetime.now(UTC).date()


def _write(content: layouts.File, file: Path | None) -> None:
    if file is None:
        with SpooledTemporaryFile(max_size=sheets.IN_MEMORY_BYTES) as whole:
            sheets.write(whole, *content)
            whole.seek(0)
            copyfileobj(whole, sys.stdout.buffer)
        return
    with file.open("wb") as output:
        sheets.write(output, *content)
    click.echo(f"{file} is written.", err=True)


def _end(differences: Sequence[str]) -> None:
    for one in differences:
        click.echo(f"The books disagree: {one}", err=True)
    if differences:
        sys.exit(1)
