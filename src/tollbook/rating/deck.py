"""The rates of an account, compiled for longest-prefix look-up in memory.

An account's own rates come before the operator's default ones: within each, the longest prefix of the destination
that has a rate valid at the event's time wins. Compiled decks are kept per process and rebuilt when the version of
either set of rates has changed; the version is read in the caller's transaction, so an event is never rated with a
deck older than that transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.rating.price import Terms
from tollbook.rating.tables import CreditType, Rate, RateVersion

KEPT_DECKS = 256


@dataclass(frozen=True, slots=True)
class Deck:
    """Compiled rates: `own` and `default` map (type, prefix) to terms, newest first. `types` are the known type codes."""

    types: frozenset[str]
    own: dict[tuple[str, str], list[Terms]]
    default: dict[tuple[str, str], list[Terms]]
    longest: int = field(default=0)

    def find(self, type_code: str, destination: str, at: datetime) -> Terms | None:
        """The terms for one unit of `type_code` to `destination` at `at`; a leading + is ignored; None if no rate."""
        digits = destination.lstrip("+")
        return self._find(self.own, type_code, digits, at) or self._find(self.default, type_code, digits, at)

    def _find(
        self, rates: dict[tuple[str, str], list[Terms]], type_code: str, digits: str, at: datetime
    ) -> Terms | None:
        for length in range(min(len(digits), self.longest), -1, -1):
            for terms in rates.get((type_code, digits[:length]), ()):
                if terms.valid_from <= at and (terms.valid_until is None or at < terms.valid_until):
                    return terms
        return None


_kept: dict[UUID, tuple[tuple[int, int], Deck]] = {}


def deck_of(account_id: UUID) -> Deck:
    """The deck that rates this account's events, as of the caller's transaction. Reads one small row pair when unchanged."""
    versions = _versions(account_id)
    kept = _kept.get(account_id)
    if kept and kept[0] == versions:
        return kept[1]
    deck = compile_deck(account_id)
    while len(_kept) >= KEPT_DECKS:
        _kept.pop(next(iter(_kept)))
    _kept[account_id] = (versions, deck)
    return deck


def compile_deck(account_id: UUID) -> Deck:
    """Read and compile the account's own and the default rates."""
    types = {row.code: row.unit for row in CreditType.objects.filter(is_active=True)}
    rows = list(Rate.objects.filter(account_id__in=[account_id, OPERATOR_ID]).order_by("-valid_from"))
    own = _by_prefix((row for row in rows if row.account_id == account_id), types)
    default = _by_prefix((row for row in rows if row.account_id == OPERATOR_ID), types)
    return Deck(frozenset(types), own, default, max((len(row.prefix) for row in rows), default=0))


def _versions(account_id: UUID) -> tuple[int, int]:
    found = dict(
        RateVersion.objects.filter(account_id__in=[account_id, OPERATOR_ID]).values_list("account_id", "version")
    )
    return found.get(account_id, 0), found.get(OPERATOR_ID, 0)


def _by_prefix(rows: Iterable[Rate], units: dict[str, str]) -> dict[tuple[str, str], list[Terms]]:
    compiled: dict[tuple[str, str], list[Terms]] = {}
    for row in rows:
        compiled.setdefault((row.type_code, row.prefix), []).append(terms_of(row, units.get(row.type_code, "")))
    return compiled


def terms_of(row: Rate, unit: str) -> Terms:
    """A stored rate as rating needs it; `unit` is its credit type's unit."""
    return Terms(
        account_id=row.account_id,
        id=row.id,
        prefix=row.prefix,
        rate_cents=row.rate_cents,
        connect_fee=row.connect_fee,
        initial_seconds=row.initial_seconds,
        increment_seconds=row.increment_seconds,
        timed=unit == CreditType.Unit.SECONDS,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )
