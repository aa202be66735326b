"""`tollbook reconcile`."""

import sys
from datetime import UTC, date, datetime, time, timedelta

import click

from tollbook.errors import Refused
from tollbook.payments import gateway as gateways
from tollbook.payments import reconcile as books
from tollbook.payments.gateway import Unreachable
from tollbook.payments.reconcile import Difference, Report
from tollbook.refills.settlers import SETTLERS

UNREACHABLE = 3


def reconcile(since: date, until: date, gateway: str | None, settle: bool) -> None:
    """Compare the days `since` to `until` (UTC, both included) and print each difference as two lines."""
    if gateway is not None and gateway not in gateways.offered():
        offered = ", ".join(gateways.offered()) or "none"
        raise click.UsageError(f"There is no gateway “{gateway}” in the settings; offered: {offered}.")
    begins, ends = (datetime.combine(day, time(), UTC) for day in (since, until + timedelta(days=1)))
    left = 0
    for name in [gateway] if gateway else gateways.offered():
        left += len(_told(_compared(name, begins, ends), settle))
    if left:
        click.echo(f"{left} difference{'' if left == 1 else 's'} left.")
        sys.exit(1)
    click.echo("Gateways and books agree.")


def _compared(name: str, since: datetime, until: datetime) -> Report:
    click.echo(f"asking {name} ...", err=True)
    try:
        return books.compare(name, since, until)
    except Unreachable as error:
        click.echo(error.message, err=True)
        sys.exit(UNREACHABLE)
    except Refused as error:
        raise click.ClickException(error.message) from None


def _told(report: Report, settle: bool) -> list[Difference]:
    sums = ", ".join(f"{total:,} {currency}" for currency, total in sorted(report.captured.items())) or "nothing"
    foreign = f"; {report.foreign} charges of others were left alone" if report.foreign else ""
    click.echo(
        f"{report.gateway}: {report.charges} charges ({sums} captured), {report.disputes} disputes{foreign}; "
        f"{len(report.differences)} differences."
    )
    left = books.settle(report.differences, SETTLERS) if settle else report.differences
    for one in left:
        click.echo(f"{one.gateway} {one.reference} {one.account}: {one.code}: {one.says}\n    {one.do}")
    if settle and len(left) < len(report.differences):
        click.echo(f"{len(report.differences) - len(left)} settled.")
    return left
