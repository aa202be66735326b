"""The transfers that a document or an event caused, with both sides: what "in the books" shows."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from tollbook.ledger.post import Side
from tollbook.ledger.tables import Entry, Transfer


@dataclass(frozen=True, slots=True)
class Traced:
    """One transfer. Its sides sum to zero (debit positive, credit negative), in `currency`."""

    id: UUID
    posted_at: datetime
    kind: str
    reference: str
    description: str
    actor: str
    wallet_id: UUID | None
    currency: str
    sides: tuple[Side, ...]


def caused_by(account_id: UUID, causes: Iterable[tuple[str, str]]) -> list[Traced]:
    """The account's transfers with these causes (kind, reference), in the order they were posted. Reads only."""
    references: dict[str, list[str]] = defaultdict(list)
    for kind, reference in causes:
        references[kind].append(reference)
    if not references:
        return []
    any_of = Q()
    for kind, named in references.items():
        any_of |= Q(kind=kind, reference__in=named)
    found = list(Transfer.objects.filter(any_of, account_id=account_id).order_by("posted_at", "id"))
    sides = _sides(account_id, [transfer.id for transfer in found])
    return [_traced(transfer, sides[transfer.id]) for transfer in found]


def _sides(account_id: UUID, transfer_ids: list[UUID]) -> dict[UUID, list[Entry]]:
    entries = Entry.objects.filter(account_id=account_id, transfer_id__in=transfer_ids)
    grouped: dict[UUID, list[Entry]] = defaultdict(list)
    for entry in entries.order_by("transfer_id", "-amount", "position"):
        grouped[entry.transfer_id].append(entry)
    return grouped


def _traced(transfer: Transfer, entries: list[Entry]) -> Traced:
    return Traced(
        id=transfer.id,
        posted_at=transfer.posted_at,
        kind=transfer.kind,
        reference=transfer.reference,
        description=transfer.description,
        actor=transfer.actor,
        wallet_id=transfer.wallet_id,
        currency=entries[0].currency,
        sides=tuple(Side(entry.code, entry.amount) for entry in entries),
    )
