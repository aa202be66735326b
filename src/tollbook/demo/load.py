"""Puts the demo there, once: what an interrupted load left undone is done by the next one."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from tollbook.accounts import key
from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.accounts.tables import Account, AuditEntry
from tollbook.demo import ahead, corrected, past, people, prices, told
from tollbook.demo.generator import generate
from tollbook.errors import Refused

OPERATOR = Actor("demo", "", "demo")
LOADED = "demo.load"

Say = Callable[[str], None]
Import = Callable[[str, str, Path], None]


class NotADemo(Refused):
    """The database holds somebody's real accounts: the demo stays out of it."""

    code = "not_a_demo"


def load(say: Say, import_records: Import) -> str:
    """Load people, prices, a year of invoices and a month of records, unless they are there; answers the API key.

    `import_records(account slug, format, file)` is what `tollbook import-cdr` does. Several transactions; every step is
    safe to repeat. Raises NotADemo when other accounts are in the database.
    """
    if not AuditEntry.objects.filter(account_id=OPERATOR_ID, action=LOADED).exists():
        if Account.objects.exclude(slug__in=people.ACCOUNTS).exists():
            raise NotADemo("This database holds other accounts than the demo's; give the demo one of its own.")
        _load(say, import_records)
        note(OPERATOR_ID, OPERATOR, LOADED, "demo")
    return _api_key()


def _load(say: Say, import_records: Import) -> None:
    say("Opening two accounts with people, prices, subscriptions and a year of invoices ...")
    accounts = people.open_accounts(OPERATOR, datetime.now(UTC).date())
    people.invite_people(accounts, OPERATOR)
    prices.give_rates(OPERATOR)
    past.subscribe(accounts, OPERATOR)
    past.bill_the_year(accounts, OPERATOR)
    past.buy_credit(accounts)
    corrected.keep_books(accounts, OPERATOR)
    ahead.agree(accounts, OPERATOR)
    told.arrange(accounts, OPERATOR)
    say("Making a month of call records ...")
    for slug, format, path in generate(settings.HOME / "demo-records", datetime.now(UTC)):
        import_records(slug, format, path)


def key_file() -> Path:
    """Where the demo's API key lies, readable by its owner only."""
    return settings.HOME / "demo-api-key"


def _api_key() -> str:
    file = key_file()
    if file.exists() and key.check(file.read_text().strip()):
        return file.read_text().strip()
    _, secret = key.create(OPERATOR_ID, "Demo", sorted(key.SCOPES), OPERATOR)
    file.touch(mode=0o600)
    file.write_text(secret + "\n")
    return secret


def welcome(port: int, api_key: str, traffic: bool, took_seconds: float) -> str:
    """What the terminal says when the demo is up."""
    emails = "\n".join(f"    {email:<28} {_role(slug, level)}" for slug, email, _, level in people.PEOPLE)
    moving = "Live traffic is running: the bars move. TRAFFIC=off stops it." if traffic else "Traffic is off."
    return f"""
  Tollbook is up after {took_seconds:.1f} s

    Pages    http://127.0.0.1:{port}/            Billing: http://127.0.0.1:{port}/billing/
    API      http://127.0.0.1:{port}/api/v1      OpenAPI: http://127.0.0.1:{port}/api/v1/openapi.json
    API key  {api_key}

  Sign in with password {people.PASSWORD} as
{emails}

  {moving} Ctrl-C stops everything.
  Data and log (demo.log) stay in {settings.HOME}.
"""


def _role(slug: str | None, level: str) -> str:
    return f"{people.Level(level).label} of {slug}" if slug else "Staff, at /desk/"
