"""Two accounts and the people in them, as the demo has them."""

from dataclasses import dataclass
from datetime import date
from functools import cache

from django.contrib.auth.hashers import make_password

from tollbook.accounts import access, user
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, Level, User

PASSWORD = "a long enough password"


@cache
def _hash() -> str:
    """Made once, because making it is slow on purpose."""
    return make_password(PASSWORD)


@dataclass(frozen=True)
class People:
    """Northwind's people, by level; a stranger, who is another account's Super-Admin; staff."""

    northwind: Account
    owner: User
    admin: User
    manager: User
    agent: User
    contoso: Account
    stranger: User
    staff: User


def account(slug: str) -> Account:
    """A new account without anybody in it."""
    return open_account(NewAccount(slug, slug.capitalize(), date(2026, 1, 31), timezone="America/New_York"), SYSTEM)


def person(home: Account | None, name: str, level: Level) -> User:
    """A new user `name@<account>.example` with the password of all test users."""
    domain = home.slug if home else "tollbook"
    made = user.add(home, f"{name}@{domain}.example", name.capitalize(), level, None, SYSTEM)
    made.password = _hash()
    made.save(update_fields=["password"])
    return made


def people() -> People:
    """All of them, newly made."""
    northwind, contoso = account("northwind"), account("contoso")
    return People(
        northwind,
        person(northwind, "owner", Level.SUPER_ADMIN),
        person(northwind, "admin", Level.ADMIN),
        person(northwind, "manager", Level.MANAGER),
        person(northwind, "agent", Level.AGENT),
        contoso,
        person(contoso, "owner", Level.SUPER_ADMIN),
        person(None, "support", Level.STAFF),
    )


def grant(owner: User, to: User, **areas: str) -> None:
    """`grant(owner, admin, invoices="r", credits="rw")`."""
    rights = {access.Area(area): access.Rights("r" in letters, "w" in letters) for area, letters in areas.items()}
    access.set_grants(owner, to, rights)
