"""Give back now what waits to be taken off an invoice: by credit notes of the invoices that bore the fee.

A subscription that ended leaves days to be given back, and when nothing is charged any more, there is no invoice to take
them off. As a credit note they come off what is owed on the invoice of these days, or become credit of the account, or go
back to where the money came from. The lines that waited are noted as billed in the same transaction, so they are given back
once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from hashlib import sha256
from itertools import count
from uuid import UUID, uuid5

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import Account
from tollbook.corrections import correct
from tollbook.corrections.correct import Corrected
from tollbook.errors import Conflict
from tollbook.invoicing import credit_note, given_back, run
from tollbook.invoicing.credit_note import Left
from tollbook.invoicing.given_back import Borne, Stretch, stretch_of
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.tables import CreditNote, Invoice, InvoiceLine
from tollbook.invoicing.tax import tax_on
from tollbook.money.amount import ZERO
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction
from tollbook.subscriptions.charge import RECURRING, Charge


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is printed as the reason; whether what was paid goes back to where it came from; `id` is made by who asks."""

    reason: str
    gives_back: bool = False
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Part:
    """What of one invoice is credited: net amounts by position of the line, for the waiting `lines`."""

    invoice: Invoice
    nets: Mapping[int, Decimal]
    lines: Sequence[Charge]

    @property
    def net(self) -> Decimal:
        """In the invoice's currency, without tax."""
        return sum(self.nets.values(), ZERO)


def waiting(account: Account) -> list[Part]:
    """What waits and can be given back now, by invoice, the newest first. Reads only.

    Lines that put right what is not invoiced itself are left to the next invoice, and so is what was charged anew.
    """
    found = run.find([account], {account.id: today_in(account)})
    held = found.held.get(account.id, [])
    giving = _giving(held)
    return _parts(account, giving, found.borne) if giving else []


def seen(parts: Sequence[Part]) -> str:
    """Names what somebody sees who looks at these parts."""
    told = [f"{part.invoice.number} {part.net:f} {' '.join(line.cause for line in part.lines)}" for part in parts]
    return sha256("\n".join(told).encode()).hexdigest()


def give(account: Account, wanted: Wanted, actor: Actor, saw: str | None = None) -> list[Corrected]:
    """Credit all that waits. Safe to repeat with the same `wanted.id`; answers the credit notes.

    `saw` is what `seen` named when a person looked. Own transactions; as engine. Locks as `correct`. Raises Conflict when
    nothing waits, or something else than was seen, and as `correct`.
    """
    made = in_transaction(partial(_give, account, wanted, actor, saw))
    if not wanted.gives_back:
        return [Corrected(note, freed) for note, freed in made]
    return [correct.refunded(account, note, freed, actor) for note, freed in made]


def _give(
    account: Account, wanted: Wanted, actor: Actor, saw: str | None
) -> list[tuple[CreditNote, dict[UUID, Decimal]]]:
    lock_settlements(account.id)
    known = _known(account, wanted)
    if known:
        return [correct.correct_in(account, one.invoice_number, _asked(wanted, one.id, {}), actor) for one in known]
    parts = waiting(account)
    if not parts:
        raise Conflict("Nothing waits that could be given back.")
    if saw is not None and saw != seen(parts):
        raise Conflict("What waits has changed since your review. Nothing was done: review it again.")
    made = []
    for number, part in enumerate(parts):
        asked = _asked(wanted, uuid5(wanted.id, str(number)), part.nets)
        made.append(correct.correct_in(account, part.invoice.number, asked, actor))
        given_back.note(account.id, asked.id, [line.cause for line in part.lines])
    return made


def _asked(wanted: Wanted, id: UUID, nets: Mapping[int, Decimal]) -> correct.Wanted:
    return correct.Wanted(wanted.reason, nets, wanted.gives_back, id)


def _known(account: Account, wanted: Wanted) -> list[CreditNote]:
    """The notes that the same `id` made before, the first of them first."""
    made: list[CreditNote] = []
    for number in count():
        note = CreditNote.objects.filter(account_id=account.id, id=uuid5(wanted.id, str(number))).first()
        if note is None:
            break
        made.append(note)
    return made


def _giving(held: Sequence[Charge]) -> list[list[Charge]]:
    """What gives back, by change and days: a fee and the discount on it together."""
    causes, found = {line.cause for line in held}, defaultdict(list)
    for line in held:
        if given_back.gives(line, causes):
            found[":".join(line.cause.split(":")[:4])].append(line)
    return list(found.values())


def _parts(account: Account, giving: Sequence[Sequence[Charge]], borne: Borne) -> list[Part]:
    subscriptions = {lines[0].subscription_id for lines in giving if lines[0].subscription_id}
    room = {key: one.left for key, one in given_back.standing({(account.id, of) for of in subscriptions}).items()}
    invoices = _bearing(account, subscriptions)
    lines = _lines(invoices)
    nets: dict[UUID, dict[int, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    taken: dict[UUID, list[Charge]] = defaultdict(list)
    for given in giving:
        key = stretch_of(account.id, given[0].subscription_id, given[0].cause)
        amount = -sum((_net(account, line, borne) for line in given), ZERO)
        if key is None or not ZERO < amount <= room.get(key, ZERO):
            continue
        shares = _spread(given[0], amount, lines.get(key, ()), nets)
        for one, share in shares:
            nets[one.line.invoice_id][one.line.position] += share
        if shares:
            room[key] -= amount
            taken[shares[0][0].line.invoice_id] += given
    return [Part(one, dict(nets[one.id]), taken[one.id]) for one in invoices if one.id in nets]


def _bearing(account: Account, subscriptions: set[UUID]) -> list[Invoice]:
    """The invoices that charged days of these subscriptions, the newest first."""
    bore = InvoiceLine.objects.filter(
        account_id=account.id, subscription_id__in=subscriptions, revenue_code=RECURRING, amount__gt=0
    )
    found = Invoice.objects.filter(account_id=account.id, id__in=bore.values("invoice_id"))
    return list(found.order_by("-issued_at", "-sequence"))


def _lines(invoices: Sequence[Invoice]) -> dict[Stretch, list[Left]]:
    """What is left of their fees, by period, the newest first."""
    found: dict[Stretch, list[Left]] = defaultdict(list)
    for one in (one for invoice in invoices for one in reversed(credit_note.left(invoice))):
        key = stretch_of(one.line.account_id, one.line.subscription_id, one.line.cause)
        if key and one.net > 0 and one.line.revenue_code == RECURRING:
            found[key].append(one)
    return found


def _spread(
    back: Charge, amount: Decimal, lines: Sequence[Left], nets: Mapping[UUID, Mapping[int, Decimal]]
) -> list[tuple[Left, Decimal]]:
    """The amount over lines of its period, those of its own days first; nothing when they have too little left."""
    found = []
    for one in sorted(lines, key=lambda one: not _meets(one, back)):
        left = one.net - nets[one.line.invoice_id][one.line.position]
        share = min(left, amount)
        if share > 0:
            found.append((one, share))
            amount -= share
    return [] if amount else found


def _meets(one: Left, back: Charge) -> bool:
    since, until = one.line.service_from, one.line.service_until
    if not (since and until and back.service_from and back.service_until):
        return False
    return since <= back.service_until and until >= back.service_from


def _net(account: Account, line: Charge, borne: Borne) -> Decimal:
    treated = borne.get((line.account_id, line.cause))
    if treated is None or not treated.is_inclusive:
        return line.amount
    return line.amount - tax_on(line.amount, treated, account.currency)
