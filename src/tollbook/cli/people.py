"""`tollbook user create`, `tollbook key create`."""

import getpass

import click
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tollbook.accounts import key, user
from tollbook.accounts.account import by_slug
from tollbook.accounts.audit import OPERATOR_ID, Actor
from tollbook.accounts.tables import Level
from tollbook.errors import Refused


def operator() -> Actor:
    """Who types the command, for the audit trail."""
    return Actor("command", "", f"{getpass.getuser()} (command line)")


def create_key(name: str, account: str | None, scopes: tuple[str, ...]) -> None:
    """Make a key; its secret is printed once and stored nowhere."""
    try:
        account_id = by_slug(account).id if account else OPERATOR_ID
        _, secret = key.create(account_id, name, list(scopes or key.DEFAULT_SCOPES), operator())
    except Refused as error:
        raise click.ClickException(error.message) from None
    click.echo(secret)
    click.echo("Keep it now: it is not shown again.", err=True)


def create_user(email: str, account: str | None, level: str, name: str, password: str) -> None:
    """Add a person; level staff belongs to no account, every other level to one."""
    if level not in Level.values:
        raise click.BadParameter(f"choose one of {', '.join(Level.values)}", param_hint="--level")
    try:
        validate_password(password)
        made = user.add(by_slug(account) if account else None, email, name, level, password, operator())
    except ValidationError as error:
        raise click.ClickException(" ".join(error.messages)) from None
    except Refused as error:
        raise click.ClickException(error.message) from None
    click.echo(f"{made.email} can sign in as {made.get_level_display()}.")
