"""The catalogue: what can be told, which area of Billing it belongs to, and whether mail is sent about it."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Area


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that is told. Who may not read `area` gets no mail about it."""

    code: str
    name: str
    says: str
    area: Area = Area.PAYMENTS
    by_webhook: bool = True


_OF_ACCOUNTS = (
    Kind("wallet.low", "Low balance", "a wallet fell to one of its levels", Area.CREDITS),
    Kind("refill.succeeded", "Refill succeeded", "a card was charged and the wallet credited"),
    Kind("refill.declined", "Refill declined", "a card was declined; nothing was charged"),
    Kind("refill.stopped", "Refill stopped", "a wallet is due, and one of its limits or a person stops it"),
    Kind("refill.action_required", "Action required", "the bank wants the card's holder to confirm a charge"),
    Kind("payment.failed", "Payment failed", "an invoice could not be collected"),
    Kind("payment.action_required", "Payment to confirm", "the bank wants the card's holder to confirm a payment"),
    Kind("payment.received", "Payment received", "a payment of invoices came in: its receipt", Area.INVOICES),
    Kind("dispute.opened", "Dispute opened", "the card's holder disputes a charge"),
    Kind("dispute.closed", "Dispute closed", "a dispute was won or lost"),
    Kind("invoice.issued", "Invoice issued", "there is a new invoice", Area.INVOICES),
    Kind("invoice.reminder", "Invoice reminder", "an open invoice is due soon, or was due", Area.INVOICES),
    Kind("card.expiring", "Card expiring", "a card expires within 30 days"),
    Kind("endpoint.disabled", "Webhook endpoint switched off", "an endpoint failed for too long", by_webhook=False),
)
_OF_OPERATOR = (
    Kind("refill.stopped", "Refill stopped for a person", "the velocity breaker of a wallet waits for somebody"),
    Kind("refill.unresolved", "Refill unresolved", "a charge waits for a person, as when nobody knows what became of it"),
    Kind("payment.unresolved", "Payment unresolved", "the same of an invoice's payment"),
    Kind("dispute.opened", "Dispute opened", "a card's holder disputes a charge"),
    Kind("dispute.closed", "Dispute closed", "a dispute was won or lost"),
    Kind("endpoint.disabled", "Webhook endpoint switched off", "our own endpoint failed for too long", by_webhook=False),
)
OF_ACCOUNTS = {kind.code: kind for kind in _OF_ACCOUNTS}
OF_OPERATOR = {kind.code: kind for kind in _OF_OPERATOR}

TEST = "webhook.test"
"""What an endpoint is sent when somebody tries it out."""


def of(account_id: UUID) -> dict[str, Kind]:
    """The kinds that this account, or the operator, is told about, in the order of the page."""
    return OF_OPERATOR if account_id == OPERATOR_ID else OF_ACCOUNTS


def listed(account_id: UUID, codes: object) -> list[str]:
    """Those of these codes that are kinds, in the order of the page."""
    given: Collection[str] = codes if isinstance(codes, list | tuple | set | frozenset) else ()
    return [code for code in of(account_id) if code in given]


def merged(account_id: UUID, before: Collection[str], wanted: Collection[str], offered: Collection[str] | None) -> list[str]:
    """What somebody chose who may choose among `offered` (None: everything): the others stay as they were before."""
    kept = () if offered is None else set(before) - set(offered)
    allowed = wanted if offered is None else set(wanted) & set(offered)
    return listed(account_id, {*kept, *allowed})
