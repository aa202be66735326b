"""Give a whole deck of rates at once, from an instant on; and say before what that would change.

As `set_rate`, for 200,000 prefixes in a few seconds: one COPY, one comparison, one UPDATE, one INSERT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Conflict, Invalid
from tollbook.money.amount import HUNDRED
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.rating.set_rate import bump
from tollbook.rating.sheet import Line, shown
from tollbook.rating.tables import CreditType

SQL = load(__file__)
NEW, DEARER, CHEAPER, OTHER_TERMS, ENDED = "new", "dearer", "cheaper", "other terms", "ended"
UNCHANGED, KEPT, IN_THE_WAY = "unchanged", "kept", "in the way"
CHANGING = (NEW, DEARER, CHEAPER, OTHER_TERMS, ENDED)
FIRST = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a deck goes: whose rates (the default ones, or an account's own), of which type, from when on. `replace`:
    prefixes that are not in it end then, instead of being kept.
    """

    type_code: str
    valid_from: datetime
    owner: UUID = OPERATOR_ID
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One prefix: its rate before and after in cents (None: there is none), and when a coming one begins."""

    prefix: str
    before: Decimal | None
    after: Decimal | None
    later_at: datetime | None

    @property
    def percent(self) -> Decimal | None:
        """How much dearer (or cheaper, below zero) it gets; None where it is not told in per cent."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return (self.after - self.before) * HUNDRED / self.before


@dataclass(frozen=True, slots=True)
class Changes:
    """What a deck changes: how many prefixes of each kind, and the first of each (of dearer and cheaper: the most)."""

    counts: dict[str, int]
    first: dict[str, list[Change]]

    @property
    def changed(self) -> int:
        """How many prefixes get another rate, or none."""
        return sum(self.counts.get(kind, 0) for kind in CHANGING)


def preview(lines: Sequence[Line], wanted: Wanted) -> Changes:
    """What `import_deck` would change now. Own transaction, which changes and locks nothing. Raises Invalid."""
    check(wanted)
    with transaction.atomic():
        return _compared(lines, wanted)


def import_deck(lines: Sequence[Line], wanted: Wanted, actor: Actor, source: str) -> Changes:
    """Give these rates from `wanted.valid_from` on; those before them end there. All or nothing; safe to repeat.

    One transaction, with a line of the audit trail (`source` says where the rates come from). Locks the owner's rate
    version row. Raises Invalid, and Conflict when a rate that begins at that instant or later stands in the way.
    """
    check(wanted)
    with transaction.atomic():
        bump(wanted.owner)
        changes = _compared(lines, wanted)
        if changes.counts.get(IN_THE_WAY):
            raise Conflict(in_the_way(changes), field="valid_from")
        values = {**_placed(wanted), "created_by": actor.name}
        with connection.cursor() as cursor:
            cursor.execute(SQL["end_those_before"], values)
            cursor.execute(SQL["begin_those_after"], values)
        after = {"from": wanted.valid_from.isoformat(), **{kind: changes.counts.get(kind, 0) for kind in CHANGING}}
        note(wanted.owner, actor, "rate.import", f"rate/{wanted.type_code}", after=after, reason=source[:300])
    return changes


def check(wanted: Wanted) -> None:
    """Raise Invalid, with the field, for a place that no deck can have."""
    if not CreditType.objects.filter(code=wanted.type_code, is_active=True).exists():
        raise Invalid(f"There is no credit type “{wanted.type_code}”.", field="type_code")
    if wanted.valid_from.tzinfo is None:
        raise Invalid("The instant needs a time zone.", field="valid_from")


def in_the_way(changes: Changes) -> str:
    """A sentence about rates that begin later than the deck would."""
    count, first = changes.counts[IN_THE_WAY], changes.first[IN_THE_WAY][0]
    others = f" (and {count - 1:,} more)" if count > 1 else ""
    begins = f"{first.later_at:%Y-%m-%d %H:%M:%S} UTC" if first.later_at else "later"
    return f"A rate for {shown(first.prefix)}{others} begins at {begins}, and none is taken back; choose a later start."


def _placed(wanted: Wanted) -> dict[str, object]:
    return {"owner": wanted.owner, "type_code": wanted.type_code, "from": wanted.valid_from, "replace": wanted.replace}


def _compared(lines: Sequence[Line], wanted: Wanted) -> Changes:
    """Stage the lines and compare them with what is in force, in the caller's transaction."""
    with connection.wrap_database_errors, connection.cursor() as cursor:
        # Tables without statistics: the planner takes them for small, and would join 200,000 rows with as many one by one.
        cursor.execute("SET LOCAL enable_nestloop = off")
        for name in ("staging", "changes", "forget"):
            cursor.execute(SQL[name])
        with cursor.copy(SQL["copy_in"]) as copy:
            for line in lines:
                copy.write_row((new_id(), line.prefix, line.description, *line.terms))
        cursor.execute(SQL["compare"], _placed(wanted))
        cursor.execute(SQL["counts"])
        counts = dict(cursor.fetchall())
        cursor.execute(SQL["first_of_each"], {"first": FIRST})
        first: dict[str, list[Change]] = {}
        for kind, *row in cursor.fetchall():
            first.setdefault(kind, []).append(Change(*row))
    return Changes(counts, first)
