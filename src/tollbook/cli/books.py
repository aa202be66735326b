"""`tollbook bill`, `tollbook audit`."""

import sys
from datetime import date

import click

from tollbook.accounts.account import by_slug
from tollbook.audit.books import audit as prove
from tollbook.errors import Refused
from tollbook.invoicing.run import bill as run_bill


def bill(until: date | None) -> None:
    """Run the billing of every account up to `until` (default: today in the account's zone) and print what was done."""
    try:
        report = run_bill(until, progress=_progress)
    except Refused as error:
        raise click.ClickException(error.message) from None
    for sentence in report.sentences():
        click.echo(sentence)
    if report.failed:
        sys.exit(1)


def _progress(done: int, count: int) -> None:
    if done == count or done % 100 == 0:
        click.echo(f"{done} of {count} accounts", err=True)


def audit(account: str | None) -> None:
    """Prove the books; each finding is one line, and the exit status is 1 when there is any."""
    try:
        accounts = [by_slug(account)] if account else None
    except Refused as error:
        raise click.ClickException(error.message) from None
    findings = prove(accounts, progress=lambda slug: click.echo(f"proving {slug} ...", err=True))
    for finding in findings:
        click.echo(f"{finding.account}: {finding.rule}: {finding.row} {finding.says}")
    if findings:
        click.echo(f"{len(findings)} rule{'s do' if len(findings) > 1 else ' does'} not hold.")
        sys.exit(1)
    click.echo("The books are proven: every rule holds.")
