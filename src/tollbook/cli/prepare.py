"""The environment a command runs in: a database, then settings that know it.

Without DATABASE_URL the embedded PostgreSQL is started (or found running) and stopped again by whoever started it.
Settings read the environment when Django is set up, so this comes first and modules that hold models come after.
"""

import atexit
import os
from importlib import import_module
from typing import Any

import click
import django

from tollbook.postgres.embedded import Embedded, ServerFailed


def database() -> Embedded | None:
    """Have a database: the one of DATABASE_URL (then None), or the embedded one, running, its address in the environment."""
    if os.environ.get("DATABASE_URL"):
        return None
    server = Embedded()
    try:
        server.start()
    except ServerFailed as error:
        raise click.ClickException(str(error)) from None
    os.environ["DATABASE_URL"] = server.url(role="app")
    os.environ["MIGRATION_DATABASE_URL"] = server.url(role="owner")
    return server


def settings() -> None:
    """Set Django up, with DATABASE_URL in place."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tollbook.settings")
    try:
        django.setup()
    except ValueError as error:
        raise click.ClickException(f"A setting can't be used: {error}") from None


def run(verb: str, **options: Any) -> None:
    """Prepare, then run `verb`, written `module.function`, of this package.

    The module is imported only now: it imports models, and those need the settings. The embedded server is stopped at
    exit if it was started here.
    """
    server = database()
    if server is not None:
        atexit.register(server.stop)
    settings()
    call(verb, **options)


def call(verb: str, **options: Any) -> None:
    """Run a `verb` that needs neither database nor settings."""
    module, _, function = verb.partition(".")
    getattr(import_module(f"tollbook.cli.{module}"), function)(**options)
