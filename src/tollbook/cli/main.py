"""Every command with its options: the table of contents of `tollbook`."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from tollbook.cli.prepare import call, run
from tollbook.demo import operator

FORMATS = ("asterisk", "freeswitch-csv", "freeswitch-json", "tollbook")
PORT = click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, envvar="PORT", show_default=True, help="Port to serve at."
)
HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tollbook: customer billing view and real-time prepaid billing engine.

    Without DATABASE_URL, Tollbook runs its own PostgreSQL in TOLLBOOK_HOME (default ./.tollbook).
    """
    os.umask(0o077)


@main.command()
@HOST
@PORT
def serve(host: str, port: int) -> None:
    """Migrate, then run web and worker (and the database) until Ctrl-C."""
    run("running.serve", host=host, port=port)


@main.command()
@HOST
@PORT
def web(host: str, port: int) -> None:
    """Run only the web server, against a migrated database."""
    run("running.web", host=host, port=port)


@main.command()
def worker() -> None:
    """Run only the worker: refills, holds that expire, billing runs."""
    run("running.worker")


@main.command()
def migrate() -> None:
    """Bring the database's tables up to date, as their owner (MIGRATION_DATABASE_URL)."""
    run("running.migrate")


@main.command()
@PORT
def demo(port: int) -> None:
    """Load a month of a busy contact centre, then serve it with live simulated traffic until Ctrl-C.

    Serves 127.0.0.1 only, with well-known passwords: never put real data in it. TRAFFIC=off keeps the numbers still.
    """
    os.environ["TOLLBOOK_DEMO"] = "on"
    for name, value in operator.ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    run("running.demo", port=port, traffic=os.environ.get("TRAFFIC", "on").lower() not in ("off", "0", "no", "false"))


@main.command(hidden=True)
@click.option("--url", required=True)
def traffic(url: str) -> None:
    """The demo's simulated live traffic, sent through the public API."""
    run("running.traffic", url=url)


@main.command("import-cdr")
@click.option("--account", required=True, metavar="SLUG", help="The account that pays for these calls.")
@click.option("--format", "format_", required=True, type=click.Choice(FORMATS), help="What wrote the file.")
@click.option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which contexts and trunks face the outside world (TOML); see docs/importing-call-records.md.",
)
@click.option("--timezone", default="UTC", show_default=True, help="The switch's time zone, for times without one.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where rejected rows go (default: FILE.rejected).",
)
@click.option("--dry-run", is_flag=True, help="Read and rate, say what would be debited, and debit nothing.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path, allow_dash=True))
def import_cdr(
    account: str,
    format_: str,
    rules: Path | None,
    timezone: str,
    rejects: Path | None,
    dry_run: bool,
    files: tuple[Path],
) -> None:
    """Debit the calls in a switch's call records; importing a file again debits nothing twice.

    \b
    Example:
        tollbook import-cdr --account northwind --format asterisk /var/log/asterisk/cdr-csv/Master.csv

    `-` reads standard input; gzipped files are understood. Unanswered and internal legs cost nothing. Rejected rows are
    written to FILE.rejected with their reasons beside it: mend them and import that file. An import that was interrupted
    goes on when the same command is run again.

    Exit status: 0 all taken, 1 rows were rejected, 2 wrong use, 3 stopped by a failure, 130 stopped by Ctrl-C.
    """
    run(
        "calls.import_cdr",
        account=account,
        format_=format_,
        rules=rules,
        timezone=timezone,
        rejects=rejects,
        dry_run=dry_run,
        files=files,
    )


@main.command()
@click.option("--account", required=True, metavar="SLUG", help="The account that pays for these calls.")
@click.option("--format", "format_", required=True, type=click.Choice(FORMATS), help="What writes the file.")
@click.option(
    "--url",
    envvar="TOLLBOOK_URL",
    default="http://127.0.0.1:8000",
    show_default=True,
    show_envvar=True,
    help="Where Tollbook serves.",
)
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the API key (default: the environment's TOLLBOOK_KEY). It needs the scope usage.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written to the file, until Ctrl-C or SIGTERM.")
@click.option(
    "--rules",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which contexts and trunks face the outside world (TOML); see docs/importing-call-records.md.",
)
@click.option("--timezone", default="UTC", show_default=True, help="The switch's time zone, for times without one.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to note how far the file is shipped (default: FILE.shipped).",
)
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where rejected rows are added (default: FILE.rejected).",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def ship(
    account: str,
    format_: str,
    url: str,
    key_file: Path | None,
    follow: bool,
    rules: Path | None,
    timezone: str,
    state: Path | None,
    rejects: Path | None,
    file: Path,
) -> None:
    """Send the calls in a switch's call records to a Tollbook elsewhere, as they are written. Needs no database.

    \b
    Example, on the switch:
        tollbook ship /var/log/asterisk/cdr-csv/Master.csv --follow --account northwind --format asterisk \\
            --url https://billing.example.com --key-file /etc/tollbook/key

    How far the file is shipped is noted in FILE.shipped after each acknowledgement, and the same command goes on from there.
    Rotated files are followed, whether they are renamed or copied and emptied. While the server is away, the rows stay in
    the file and are sent once it is back; nothing is debited twice. Rejected rows are added to FILE.rejected, their reasons
    to FILE.rejected.reasons.txt. A last line without its end is not sent before it has one.

    Exit status: 0 all taken, or ended by SIGTERM while following; 1 rows were rejected, 2 wrong use, 3 stopped by a
    failure (such as a key that is refused), 130 stopped by Ctrl-C.
    """
    call(
        "ship.ship",
        account=account,
        format_=format_,
        url=url,
        key_file=key_file,
        follow=follow,
        rules=rules,
        timezone=timezone,
        state=state,
        rejects=rejects,
        file=file,
    )


@main.command()
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="Bill periods that begin up to this day (default: today)."
)
@click.option("--issue", is_flag=True, help="Issue also where TOLLBOOK_BILLING_REVIEW=on lets a person review first.")
def bill(until: datetime | None, issue: bool) -> None:
    """Make the invoices that are due from subscriptions; safe to repeat, and after downtime it catches up.

    With TOLLBOOK_BILLING_REVIEW=on they become drafts that wait for a person on the desk.
    """
    run("books.bill", until=until.date() if until else None, issue=issue)


@main.command()
@click.option("--account", metavar="SLUG", help="Only this account (default: all).")
def audit(account: str | None) -> None:
    """Prove the books, and name the first row that is wrong. Exit status 1 when something is."""
    run("books.audit", account=account)


@main.command()
@click.option("--from", "since", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC).")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC), included.")
@click.option("--gateway", metavar="NAME", help="Only this gateway (default: all that are offered).")
@click.option("--settle", is_flag=True, help="Settle what the gateway's own record explains; say what is left.")
def reconcile(since: datetime, until: datetime, gateway: str | None, settle: bool) -> None:
    """Compare what gateways charged, gave back and lost in disputes with the books, both ways.

    \b
    Example:
        tollbook reconcile --from 2026-11-01 --until 2026-11-30

    Each difference is named, with what to do about it. Without --settle nothing is changed. See docs/collecting.md.

    Exit status: 0 no difference, 1 differences, 2 wrong use, 3 a gateway can't be reached.
    """
    run("payments.reconcile", since=since.date(), until=until.date(), gateway=gateway, settle=settle)


@main.command()
@click.option("--before", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Archive months that end before this day.")
@click.option("--account", metavar="SLUG", help="Only this account (default: all).")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go (default: TOLLBOOK_ARCHIVE, else archive in TOLLBOOK_HOME); where they are read, too.",
)
@click.option("--dry-run", is_flag=True, help="Say which months would leave the database, and change nothing.")
def archive(before: datetime, account: str | None, folder: Path | None, dry_run: bool) -> None:
    """Move old months of usage events out of the database into compressed Parquet files.

    \b
    Example:
        tollbook archive --before 2025-01-01 --dry-run

    Statements, exports and the audit read the files as they read the database, and ids stay known for ever. Each month is
    written, read back and proven before it is removed; interrupted, the same command goes on. Runs as the owner of the
    tables (MIGRATION_DATABASE_URL). Back the folder up: it is part of the books. See docs/growing.md.

    Exit status: 0 done, 1 a month could not be archived.
    """
    run("books.archive", before=before.date(), account=account, folder=folder, dry_run=dry_run)


DAY = click.DateTime(["%Y-%m-%d"])
REPORT_OPTIONS = (
    click.option("--account", metavar="SLUG", help="Only this account (default: all)."),
    click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="The file to write."),
)


def _report_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in REPORT_OPTIONS:
        command = option(command)
    return command


@main.group()
def report() -> None:
    """What finance reads, as CSV. Days are UTC; see docs/reports.md.

    Exit status: 0 done, 1 done, but the figures disagree with the books (said on standard error), 2 wrong use.
    """


@report.command("credit")
@click.option("--from", "since", type=DAY, help="The first day (default: of last month).")
@click.option("--until", type=DAY, help="The last day, included (default: of last month).")
@click.option("--by-account", is_flag=True, help="A line for each account, too.")
@_report_options
def report_credit(
    since: datetime | None, until: datetime | None, by_account: bool, account: str | None, file: Path | None
) -> None:
    """Roll prepaid credit forward: opening + top-ups - usage - refunds - expiries = closing, per credit type.

    \b
    Example:
        tollbook report credit --from 2026-11-01 --until 2026-11-30 --to credit.csv
    """
    run("reports.credit", since=since, until=until, by_account=by_account, account=account, file=file)


@report.command("revenue")
@click.option("--from", "since", type=DAY, help="The first day (default: of last month).")
@click.option("--until", type=DAY, help="The last day, included (default: of last month).")
@_report_options
def report_revenue(since: datetime | None, until: datetime | None, account: str | None, file: Path | None) -> None:
    """Deferred and recognised revenue, day by day: opening + deferred - credited - earned = closing."""
    run("reports.revenue", since=since, until=until, account=account, file=file)


@report.command("aging")
@click.option("--on", "day", type=DAY, help="At the end of this day (default: today).")
@_report_options
def report_aging(day: datetime | None, account: str | None, file: Path | None) -> None:
    """Every invoice on which something was open, by how long it had been due."""
    run("reports.aging", day=day, account=account, file=file)


@report.command("journal")
@click.option("--from", "since", type=DAY, help="The first day (default: of last month).")
@click.option("--until", type=DAY, help="The last day, included (default: of last month).")
@click.option(
    "--layout",
    type=click.Choice(["entries", "days", "quickbooks", "xero"]),
    default="entries",
    show_default=True,
    help="Every entry with six places, or one journal a day in cents: plainly, or as a program imports it.",
)
@click.option(
    "--chart",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with code,account,tax: what accounts are called in your own chart (default: TOLLBOOK_CHART).",
)
@_report_options
def report_journal(
    since: datetime | None, until: datetime | None, layout: str, chart: Path | None, account: str | None, file: Path | None
) -> None:
    """Export the journal, under ids that never change, for your accounting program.

    \b
    Example:
        tollbook report journal --from 2026-11-01 --until 2026-11-30 --layout xero --chart chart.csv --to november.csv
    """
    run("reports.journal", since=since, until=until, layout=layout, chart=chart, account=account, file=file)


@main.group()
def deck() -> None:
    """Rates by destination prefix."""


@deck.command("import")
@click.option("--type", "type_code", required=True, metavar="CODE", help="The credit type, such as outbound.")
@click.option("--account", metavar="SLUG", help="Rates of this account alone (default: everybody's default rates).")
@click.option("--from", "valid_from", metavar="INSTANT", help="From when on, such as 2026-12-01 (UTC; default: now).")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--replace", is_flag=True, help="End the prefixes that are not in the file (default: keep them).")
@click.option("--rates-in", type=click.Choice(["cents", "currency"]), help="What the file's rates are in (default: cents).")
@click.option("--steps", metavar="30/6", help="First and further billing steps, for lines without (default: 1/1).")
@click.option("--skip-bad-lines", is_flag=True, help="Take the good lines although there are bad ones.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def deck_import(
    file: Path,
    type_code: str,
    account: str | None,
    valid_from: str | None,
    dry_run: bool,
    replace: bool,
    rates_in: str | None,
    steps: str | None,
    skip_bad_lines: bool,
) -> None:
    """Give the rates of a CSV file, from an instant on; the rates before them end there.

    \b
    Example:
        tollbook deck import carrier.csv --type outbound --from 2026-12-01 --dry-run

    The first line names the columns: prefix and rate are needed (cents per minute, message or segment); description,
    connect fee, minimum charge, initial and increment are taken too. `*` is the prefix of all destinations that are not
    listed. Bad lines are named, and nothing is changed while there are any. The whole file is one transaction.

    Exit status: 0 done, 1 bad lines, 2 wrong use, 130 stopped by Ctrl-C.
    """
    run(
        "decks.import_deck",
        file=file,
        type_code=type_code,
        account=account,
        valid_from=valid_from,
        dry_run=dry_run,
        replace=replace,
        rates_in=rates_in,
        steps=steps,
        skip_bad_lines=skip_bad_lines,
    )


@main.group()
def key() -> None:
    """API keys."""


@key.command("create")
@click.option("--name", required=True, help="What the key is for; shown in lists and in the audit trail.")
@click.option("--account", metavar="SLUG", help="Bind the key to one account (default: the whole platform).")
@click.option("--scope", "scopes", multiple=True, help="usage, holds, read (these by default), refills, admin; repeatable.")
def key_create(name: str, account: str | None, scopes: tuple[str, ...]) -> None:
    """Make an API key and show it, once."""
    run("people.create_key", name=name, account=account, scopes=scopes)


@main.group()
def user() -> None:
    """People."""


@user.command("create")
@click.option("--email", required=True)
@click.option("--account", metavar="SLUG", help="The account the person belongs to; leave out for operator's staff.")
@click.option("--level", default="admin", show_default=True, help="super_admin, admin, manager, agent or staff.")
@click.option("--name", default="", help="The person's name.")
@click.password_option(help="Asked for when left out.")
def user_create(email: str, account: str | None, level: str, name: str, password: str) -> None:
    """Add a person who can sign in."""
    run("people.create_user", email=email, account=account, level=level, name=name, password=password)
