"""Runs every proof, account by account, each account in one snapshot, while the system goes on working."""

from collections.abc import Callable
from dataclasses import dataclass

from tollbook.accounts.tables import Account
from tollbook.audit import archived, chain, rules
from tollbook.postgres.snapshot import snapshot


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold: whose books, which rule, the first wrong row, and what is wrong with it."""

    account: str
    rule: str
    row: str
    says: str


def audit(
    accounts: list[Account] | None = None, progress: Callable[[str], None] = lambda account: None
) -> list[Finding]:
    """Prove the books of these accounts (default: all of them, and what spans them).

    Own transactions, REPEATABLE READ and read-only; no locks. Progress is told each account's short name.
    """
    findings = []
    for account in accounts if accounts is not None else Account.objects.order_by("slug"):
        progress(account.slug)
        findings += [Finding(account.slug, *fault) for fault in _of_account(account)]
    if accounts is None:
        progress("all accounts")
        with snapshot():
            findings += [Finding("all accounts", *fault) for fault in rules.broken(None)]
    return findings


def _of_account(account: Account) -> list[tuple[str, str, str]]:
    with snapshot():
        return [*rules.broken(account.id), *chain.broken(account.id), *archived.broken(account.id)]
