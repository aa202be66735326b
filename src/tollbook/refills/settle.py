"""A gateway's answer becomes what it means, once, whoever brings it: the charge's own answer, a look-up, a webhook.

The state of the refill decides under the wallet's lock (akash #3449, AutoGPT #10672: a check outside the lock credited
twice). A success is honoured in whatever state it finds the refill, because the money was taken.
"""

import logging
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from tollbook.accounts.account import by_id, today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.settle import lock_settlements
from tollbook.invoicing.settle import settle as apply
from tollbook.invoicing.tables import Invoice, InvoiceKind
from tollbook.money.written import money
from tollbook.payments.gateway import ActionRequired, ChargeAnswer, Declined, Succeeded, Unknown
from tollbook.payments.method import label, printed
from tollbook.payments.receive import receive
from tollbook.payments.tables import Payment, PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.retry import in_transaction
from tollbook.rating.tables import CreditType
from tollbook.refills import stops
from tollbook.refills.send import card_of
from tollbook.refills.tables import OPEN_STATES, Refill, RefillState
from tollbook.wallets.credit import fund
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import Locked, code_of, lock

log = logging.getLogger(__name__)


def settle(account_id: UUID, refill_id: UUID, answer: ChargeAnswer) -> RefillState:
    """Take a gateway's answer about a refill that was sent; answers the refill's state. Safe to repeat, in any order.

    Own transaction. Locks the wallet, the refill, then what invoicing locks. A success receives the payment, credits
    the wallet, issues the invoice, which is Paid at birth, and settles it, all or nothing.
    """
    return in_transaction(lambda: _settle(account_id, refill_id, answer))


def _settle(account_id: UUID, refill_id: UUID, answer: ChargeAnswer) -> RefillState:
    wallet_id = Refill.objects.values_list("wallet_id", flat=True).get(account_id=account_id, id=refill_id)
    type_code = Wallet.objects.values_list("type_code", flat=True).get(account_id=account_id, id=wallet_id)
    wallet = lock(account_id, [type_code])[type_code]
    refill = Refill.objects.select_for_update(no_key=True).get(account_id=account_id, id=refill_id)
    match answer:
        case Succeeded():
            _succeeded(refill, wallet, answer)
        case Declined():
            _close(refill, RefillState.DECLINED, answer.message)
        case ActionRequired():
            _stay_open(refill, RefillState.ACTION_REQUIRED, answer.message)
        case Unknown():
            _stay_open(refill, RefillState.UNKNOWN, answer.message)
    return RefillState(refill.state)


def _succeeded(refill: Refill, wallet: Locked, answer: Succeeded) -> None:
    if (answer.amount, answer.currency) != (refill.amount, refill.currency):
        _alarm(refill, answer)
    elif refill.state != RefillState.SUCCEEDED:
        _credit(refill, wallet, answer)
    elif refill.charge_reference != answer.reference:
        log.error("refill %s was charged twice: %s and %s", refill.id, refill.charge_reference, answer.reference)


def _credit(refill: Refill, wallet: Locked, answer: Succeeded) -> None:
    """Everything a success means. The invoice comes last but one: its number's lock is everybody's."""
    account, card = by_id(refill.account_id), card_of(refill)
    name = CreditType.objects.get(code=wallet.type_code).name
    payment = receive(
        account.id, card.gateway, answer.reference, answer.amount, answer.currency, label(card), SYSTEM.name
    )
    fund(account.id, wallet, refill.amount, str(refill.id), f"{name} refill by {label(card)}", refill.requested_by)
    lock_settlements(account.id)
    invoice = issue(account, _draft(account, refill, wallet, name, card))
    apply(account.id, invoice.id, payment.id, refill.amount)
    _finish(refill, answer, payment, invoice)
    stops.clear(account.id, wallet.id)


def _draft(account: Account, refill: Refill, wallet: Locked, name: str, card: PaymentMethod) -> Draft:
    today = today_in(account)
    line = DraftLine(
        description=f"{name}: prepaid credit",
        detail="Automatic refill" if refill.automatic else f"Refill asked for by {refill.requested_by}",
        quantity=Decimal(1),
        unit_price=refill.amount,
        amount=refill.amount,
        revenue_code=code_of(wallet.type_code, "paid"),
    )
    paid = f"Paid {today:%b} {today.day}, {today.year} by {printed(card)}"
    return Draft(InvoiceKind.REFILL, str(refill.id), today, [line], due_on=today, payment_note=paid, actor=SYSTEM.name)


def _finish(refill: Refill, answer: Succeeded, payment: Payment, invoice: Invoice) -> None:
    _write(
        refill,
        state=RefillState.SUCCEEDED,
        finished_at=payment.received_at,
        outcome="",
        charge_reference=answer.reference,
        invoice_id=invoice.id,
    )


def _close(refill: Refill, state: RefillState, outcome: str) -> None:
    """An answer that ends an open refill; one that comes late changes nothing."""
    if refill.state in OPEN_STATES:
        _write(refill, state=state, outcome=outcome[:200], finished_at=datetime.now(UTC))


def _stay_open(refill: Refill, state: RefillState, outcome: str) -> None:
    """An answer that leaves it open. Not knowing takes back nothing that is known."""
    if refill.state not in OPEN_STATES or (state == RefillState.UNKNOWN and refill.state != RefillState.CHARGING):
        return
    if (refill.state, refill.outcome) != (state, outcome[:200]):
        _write(refill, state=state, outcome=outcome[:200])


def _alarm(refill: Refill, answer: Succeeded) -> None:
    """The gateway says another sum was charged: nothing is credited, and a person must look."""
    said, meant = money(answer.amount, answer.currency), money(refill.amount, refill.currency)
    log.error("refill %s: charge %s took %s instead of %s", refill.id, answer.reference, said, meant)
    if refill.state in OPEN_STATES:
        outcome = f"The gateway says it charged {said} instead of {meant}. Nothing was credited; Support has to look."
        if refill.outcome != outcome:
            _write(refill, state=RefillState.UNKNOWN, outcome=outcome, charge_reference=answer.reference)


def _write(refill: Refill, **values: object) -> None:
    Refill.objects.filter(account_id=refill.account_id, id=refill.id).update(**values)
    for name, value in values.items():
        setattr(refill, name, value)
    wake.tell(refill.account_id)
