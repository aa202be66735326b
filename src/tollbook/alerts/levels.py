"""Low balance: the levels of a wallet, and which of them it fell through.

A level is a share of what the wallet held right after its last funding (`20%`), or an amount (`50.00`). A wallet crosses a
level when its balance comes to be at or below it, and can cross it again only after it was funded above it: money that a
correction gives back does not count, so a balance that trembles around a level is told once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import Actor, note
from tollbook.accounts.tables import Account
from tollbook.alerts.tables import LevelStanding, WalletLevels
from tollbook.errors import Invalid
from tollbook.money.amount import LARGEST, parse_amount
from tollbook.postgres.named import load
from tollbook.refills.rule import wallet_of

SQL = load(__file__)
USUAL = ("20%", "10%", "0.00")
"""Where nobody chose. Of a wallet that refills itself only 0.00, unless something stops its refills."""

HIGHEST = max(Decimal(level[:-1]) for level in USUAL if level.endswith("%"))
"""Of the usual ones, in percent."""

MOST_LEVELS = 5
LIMIT = 500


@dataclass(frozen=True, slots=True)
class Crossing:
    """A wallet that fell through levels: the deepest of them, and how often this wallet has crossed any."""

    account_id: UUID
    wallet_id: UUID
    type_code: str
    currency: str
    balance: Decimal
    funded_balance: Decimal
    level: str
    threshold: Decimal
    number: int


@dataclass(frozen=True, slots=True)
class _State:
    """A wallet as it stands, and its levels with their thresholds, the deepest last (one None when it has no levels)."""

    account_id: UUID
    wallet_id: UUID
    type_code: str
    currency: str
    balance: Decimal
    funded_balance: Decimal
    funded_at: datetime
    levels: list[str]
    thresholds: list[Decimal]

    def at_or_above(self, amount: Decimal) -> dict[str, Decimal]:
        """The levels whose threshold is this amount or more, the deepest last."""
        both = zip(self.levels, self.thresholds, strict=True)
        return {level: threshold for level, threshold in both if level is not None and amount <= threshold}


def of_wallet(account_id: UUID, wallet_id: UUID) -> tuple[str, ...] | None:
    """The levels that somebody chose, highest first as they were written; None without a choice."""
    row = WalletLevels.objects.filter(account_id=account_id, wallet_id=wallet_id).first()
    return _listed(row.levels) if row else None


def of_account(account_id: UUID) -> dict[UUID, tuple[str, ...]]:
    """What was chosen, by wallet."""
    return {row.wallet_id: _listed(row.levels) for row in WalletLevels.objects.filter(account_id=account_id)}


def parse(text: str, currency: str) -> tuple[str, ...]:
    """WalletLevels as people write them, separated by commas or spaces: `50% 20% $25`. Raises Invalid."""
    words = text.replace(";", " ").replace(", ", " ").split()
    found = tuple(dict.fromkeys(_level(word.strip(","), currency) for word in words if word.strip(",")))
    if len(found) > MOST_LEVELS:
        raise Invalid(f"At most {MOST_LEVELS} levels.", field="levels")
    return found


def choose(account: Account, type_code: str, levels: Sequence[str] | None, actor: Actor) -> None:
    """Set the levels of one wallet; none: it is never called low; None: the usual ones. In the caller's transaction or its
    own, as engine or portal; audited. `levels` as `parse` answers them. Raises NotFound."""
    with transaction.atomic():
        wallet = wallet_of(account.id, type_code)
        mine = WalletLevels.objects.filter(account_id=account.id, wallet_id=wallet.id)
        row = mine.first()
        before = list(_listed(row.levels)) if row else None
        after = list(levels) if levels is not None else None
        if before == after:
            return
        mine.delete()
        if after is not None:
            WalletLevels.objects.create(
                account_id=account.id, wallet_id=wallet.id, levels=after, set_by=actor.name, set_at=datetime.now(UTC)
            )
        told, now = {"levels": _told(before)}, {"levels": _told(after)}
        note(account.id, actor, "alert.levels", f"wallet/{type_code}", before=told, after=now)


def changed(limit: int = LIMIT) -> list[tuple[UUID, UUID]]:
    """Wallets (account, wallet) whose levels are not those they are known to stand at. A plain read, without locks."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["changed"], {"usual": json.dumps(USUAL), "highest": HIGHEST, "limit": limit})
        return cursor.fetchall()


def cross(account_id: UUID, wallet_id: UUID) -> Crossing | None:
    """Bring what is known of one wallet up to date; the crossing, if it fell through levels since. In the caller's
    transaction, which writes the notice; locks the wallet's standing, so that two who look at once see one crossing."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["begin"], {"account_id": account_id, "wallet_id": wallet_id})
    known = LevelStanding.objects.select_for_update(no_key=True).get(account_id=account_id, wallet_id=wallet_id)
    state = _state(account_id, wallet_id)
    if state is None:
        return None
    told = set(_listed(known.below))
    if state.funded_at != known.funded_at:  # above those levels, it can cross them again; it may have done so already
        told &= state.at_or_above(state.funded_balance).keys()
    below = state.at_or_above(state.balance)
    fresh = [level for level in below if level not in told]
    number = known.crossings + bool(fresh)
    LevelStanding.objects.filter(account_id=account_id, wallet_id=wallet_id).update(
        below=sorted(told | below.keys()), funded_at=state.funded_at, crossings=number
    )
    return _crossing(state, fresh[-1], below[fresh[-1]], number) if fresh else None


def remember_all() -> None:
    """Take every wallet's levels as known, without telling anybody: what was so before anybody looked is no news."""
    while wallets := changed():
        for account_id, wallet_id in wallets:
            with transaction.atomic():
                cross(account_id, wallet_id)


def _state(account_id: UUID, wallet_id: UUID) -> _State | None:
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["state"], {"usual": json.dumps(USUAL), "account_id": account_id, "wallet_id": wallet_id}
        )
        row = cursor.fetchone()
    return _State(*row) if row else None


def _crossing(state: _State, level: str, threshold: Decimal, number: int) -> Crossing:
    return Crossing(
        state.account_id, state.wallet_id, state.type_code, state.currency, state.balance, state.funded_balance,
        level, threshold, number,
    )  # fmt: skip


def _level(word: str, currency: str) -> str:
    if word.endswith("%"):
        try:
            share = Decimal(word[:-1])
        except InvalidOperation:
            share = Decimal(-1)
        if not (share.is_finite() and 0 < share < 100 and share == share.quantize(Decimal("0.1"))):
            raise Invalid(f"“{word[:20]}” is not a share between 0% and 100%.", field="levels")
        return f"{share.normalize():f}%"
    try:
        amount = parse_amount(word[:40], currency)
    except ValueError as wrong:
        raise Invalid(f"{str(wrong)[0].upper()}{str(wrong)[1:]}.", field="levels") from None
    if not 0 <= amount <= LARGEST:
        raise Invalid("A level is zero or more.", field="levels")
    return f"{amount:.2f}" if amount == amount.quantize(Decimal("0.01")) else f"{amount.normalize():f}"


def _listed(stored: object) -> tuple[str, ...]:
    return tuple(stored) if isinstance(stored, list) else ()


def _told(levels: list[str] | None) -> str:
    return "usual" if levels is None else ", ".join(levels) or "never"
