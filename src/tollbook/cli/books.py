"""`tollbook bill`, `tollbook audit`, `tollbook archive`."""

import gc
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click
from django.conf import settings

from tollbook.accounts.account import by_slug
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit as prove
from tollbook.errors import Refused
from tollbook.invoicing.drafts import draft_all
from tollbook.invoicing.run import bill as run_bill
from tollbook.usage.archive import Done, vacuum
from tollbook.usage.archive import archive as run_archive


def bill(until: date | None, issue: bool) -> None:
    """Run the billing of every account up to `until` (default: today in the account's zone) and print what was done.

    Where a person reviews what is due, it becomes drafts, as in the worker, unless `issue` says that nobody needs to.
    """
    if settings.BILLING_REVIEW and not issue:
        _draft(until)
        return
    gc.set_threshold(100_000, 50, 100)  # a run makes millions of small things, none of them in circles
    try:
        report = run_bill(until, progress=_progress)
    except Refused as error:
        raise click.ClickException(error.message) from None
    for sentence in report.sentences():
        click.echo(sentence)
    if report.failed:
        sys.exit(1)


def _draft(until: date | None) -> None:
    if until is not None:
        says = "Billing waits for review, and drafts are of what is due today: add --issue, or leave --until out."
        raise click.ClickException(says)
    done = draft_all()
    click.echo(f"Nothing is issued, because billing waits for review (TOLLBOOK_BILLING_REVIEW): {done.made} drafts are new.")
    click.echo("They wait on the desk, under Invoices, Drafts. --issue issues what is due without review.")
    for slug in done.failed:
        click.echo(f"{slug}: could not be drafted; the log says why.")
    if done.failed:
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


def archive(before: date, account: str | None, folder: Path | None, dry_run: bool) -> None:
    """Archive what is closed, account by account; the exit status is 1 when a month could not be archived."""
    if folder is not None and folder.absolute() != settings.ARCHIVE:
        click.echo(f"Set TOLLBOOK_ARCHIVE={folder.absolute()} wherever Tollbook runs, or it won't find them.", err=True)
        settings.ARCHIVE = folder.absolute()
    gone = failed = 0
    try:
        for one in [by_slug(account)] if account else Account.objects.order_by("slug"):
            for done in run_archive(one, before, datetime.now(UTC), dry_run, tell=lambda text: click.echo(text, err=True)):
                click.echo(_sentence(done, dry_run))
                gone += 0 if dry_run or done.stays else done.events
                failed += bool(done.stays)
    except (Refused, OSError) as error:
        raise click.ClickException(getattr(error, "message", str(error))) from None
    finally:
        if gone:
            click.echo("making their room free ...", err=True)
            vacuum()
    if failed:
        sys.exit(1)


def _sentence(done: Done, dry_run: bool) -> str:
    if done.stays:
        return f"{done.month}: {done.events} events stay: {done.stays}."
    if dry_run:
        return f"{done.month}: {done.events} events would be archived."
    return f"{done.month}: {done.events} events archived, {done.bytes} bytes."
