"""An intent becomes a charge: once, and only if it still holds when the money would move.

Between the decision and this moment a person may have changed the rule, the operator may have switched refills off, an
adjustment may have filled the wallet. So everything is asked again under the locks, and the state `charging` is
committed before the gateway hears anything. The idempotency key comes from the refill's id and attempt, never from a job.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection

from tollbook.accounts.account import by_id
from tollbook.accounts.tables import Account
from tollbook.payments.gateway import ChargeRequest
from tollbook.payments.method import default_of
from tollbook.payments.tables import PaymentMethod
from tollbook.postgres import wake
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction
from tollbook.rating.tables import CreditType
from tollbook.refills.brakes import Stop, first_stop, gather
from tollbook.refills.decide import is_due
from tollbook.refills.due import LEASE
from tollbook.refills.rule import locked
from tollbook.refills.tables import Refill, RefillState
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import Locked, lock

SQL = load(__file__)

NEVER_ARRIVED_AFTER = timedelta(hours=1)
"""How long after sending a gateway's "no such charge" is taken for final, when the charge is not to be sent again."""

SENT = (RefillState.CHARGING, RefillState.UNKNOWN, RefillState.ACTION_REQUIRED)


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be sent to which gateway, for which refill."""

    gateway: str
    request: ChargeRequest


def key_of(refill: Refill) -> str:
    """The idempotency key of a refill's attempt."""
    return f"refill:{refill.id}:{refill.attempt}"


def begin(account_id: UUID, refill_id: UUID) -> Charge | None:
    """Commit `decided → charging` and answer what to send; None when it was withdrawn or somebody else began it.

    Own transaction. Locks the wallet, its rule, the card, then the refill's row by the guarded update.
    """
    return in_transaction(lambda: _begin(account_id, refill_id))


def begin_again(account_id: UUID, refill_id: UUID) -> Charge | None:
    """The same for a charge the gateway has no record of: send it again under the same key, if it still holds.

    If it does not, it stays open while it could still arrive (`NEVER_ARRIVED_AFTER`), and is then withdrawn.
    """
    return in_transaction(lambda: _begin_again(account_id, refill_id))


def claim(account_id: UUID, refill_id: UUID) -> Refill | None:
    """Take the turn to speak to the gateway about a refill that was sent; None when it is somebody else's, or too early.
    Own transaction; no locks beyond the guarded update."""

    def work() -> Refill | None:
        with connection.cursor() as cursor:
            cursor.execute(SQL["claim"], {"account_id": account_id, "id": refill_id, "lease": LEASE})
            mine = cursor.rowcount == 1
        return _find(account_id, refill_id) if mine else None

    return in_transaction(work)


def card_of(refill: Refill) -> PaymentMethod:
    """The card that a sent refill was charged to, even when it was removed since."""
    return PaymentMethod.objects.get(account_id=refill.account_id, id=refill.method_id)


def _begin(account_id: UUID, refill_id: UUID) -> Charge | None:
    account, refill, wallet = _locked(account_id, refill_id)
    if refill.state != RefillState.DECIDED:
        return None
    card = default_of(account_id)
    problem = _problem(account, refill, wallet, card)
    if problem or card is None:
        _withdraw(refill, (RefillState.DECIDED,), problem.reason if problem else "There is no card to charge.")
        return None
    return _charging(account, refill, wallet, card, (RefillState.DECIDED,))


def _begin_again(account_id: UUID, refill_id: UUID) -> Charge | None:
    account, refill, wallet = _locked(account_id, refill_id)
    if refill.state not in SENT:
        return None
    card = card_of(refill)
    problem = _problem(account, refill, wallet, card)
    if card.removed_at is not None:
        problem = Stop("card_removed", "The card was removed.")
    if problem is None:
        return _charging(account, refill, wallet, card, SENT)
    if refill.asked_at - refill.charging_at > NEVER_ARRIVED_AFTER:
        _withdraw(refill, SENT, f"The gateway never received the charge. {problem.reason}")
    return None


def _locked(account_id: UUID, refill_id: UUID) -> tuple[Account, Refill, Locked]:
    """Read everything under the wallet's lock, which settling takes too."""
    refill = _find(account_id, refill_id)
    type_code = Wallet.objects.values_list("type_code", flat=True).get(account_id=account_id, id=refill.wallet_id)
    wallet = lock(account_id, [type_code])[type_code]
    return by_id(account_id), _find(account_id, refill_id), wallet


def _problem(account: Account, refill: Refill, wallet: Locked, card: PaymentMethod | None) -> Stop | None:
    """Why the refill must not be sent now: it does not hold any more, or a brake."""
    rule = locked(account.id, wallet.id)
    if refill.automatic:
        if rule is None or not rule.automatic:
            return Stop("rule_off", "Automatic refill was switched off before the card was charged.")
        if rule.version != (refill.rule or {}).get("version"):
            return Stop("rule_changed", "The rule was changed before the card was charged.")
        if not is_due(wallet, rule):
            return Stop("not_due", "The wallet was filled otherwise before the card was charged.")
    if card is not None:
        _lock_card(card)
    facts = gather(
        account, wallet.id, rule, card, refill.amount, automatic=refill.automatic, but_not=refill.id
    )
    return first_stop(facts)


def _charging(
    account: Account, refill: Refill, wallet: Locked, card: PaymentMethod, states: tuple[RefillState, ...]
) -> Charge | None:
    values = {"account_id": account.id, "id": refill.id, "method_id": card.id, "states": list(states)}
    with connection.cursor() as cursor:
        cursor.execute(SQL["charging"], values)
        if cursor.rowcount != 1:
            return None
    wake.tell(account.id)
    name = CreditType.objects.get(code=wallet.type_code).name
    return Charge(
        card.gateway,
        ChargeRequest(account.id, key_of(refill), card.token, refill.amount, refill.currency, f"{name} refill"),
    )


def _withdraw(refill: Refill, states: tuple[RefillState, ...], reason: str) -> None:
    values = {"account_id": refill.account_id, "id": refill.id, "outcome": reason[:200], "states": list(states)}
    with connection.cursor() as cursor:
        cursor.execute(SQL["withdraw"], values)
    wake.tell(refill.account_id)


def _lock_card(card: PaymentMethod) -> None:
    """Charges of one card begin one after another, so that its attempts are counted exactly."""
    cards = PaymentMethod.objects.select_for_update(no_key=True)
    list(cards.filter(account_id=card.account_id, gateway=card.gateway, token=card.token).order_by("id"))


def _find(account_id: UUID, refill_id: UUID) -> Refill:
    return Refill.objects.get(account_id=account_id, id=refill_id)
