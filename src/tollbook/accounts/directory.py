"""Accounts by their short names, remembered: neither an account nor its short name ever goes or changes."""

from collections.abc import Collection
from uuid import UUID

from tollbook.accounts.tables import Account

_MOST_KNOWN = 100_000
_known: dict[str, UUID] = {}


def ids_of(slugs: Collection[str]) -> dict[str, UUID]:
    """The ids of those of these accounts that there are. One query when some are asked for the first time."""
    unknown = [slug for slug in slugs if slug not in _known and slug.isprintable()]
    if unknown:
        if len(_known) > _MOST_KNOWN:
            forget()
        _known.update(Account.objects.filter(slug__in=unknown).values_list("slug", "id"))
    return {slug: _known[slug] for slug in slugs if slug in _known}


def forget() -> None:
    """Forget all: for a process that goes on with another database."""
    _known.clear()
