"""A card is removed when nothing is under way with it, and whoever removes it knows what depends on it."""

from dataclasses import dataclass
from uuid import UUID

from tollbook.accounts.audit import Actor
from tollbook.errors import Conflict
from tollbook.payments import dunning
from tollbook.payments import method as methods
from tollbook.payments.tables import IntentState, PaymentIntent, PaymentMethod
from tollbook.postgres.retry import in_transaction
from tollbook.rating.tables import CreditType
from tollbook.refills.send import SENT
from tollbook.refills.tables import Refill, RefillRule
from tollbook.wallets.tables import Wallet
from tollbook.wallets.wallet import lock

SENT_INTENTS = (IntentState.CHARGING, IntentState.UNKNOWN, IntentState.ACTION_REQUIRED)


class ChargeUnderWay(Conflict):
    """The card is being charged; it can be removed when that has come to an end."""

    code = "charge_under_way"


class Needed(Conflict):
    """Something depends on the card, and whoever removes it did not say that they know."""

    code = "card_needed"


@dataclass(frozen=True, slots=True)
class Dependants:
    """What stops when the card is removed: the names of wallets that refill from it, and whether invoices are collected
    from it."""

    wallets: tuple[str, ...]
    invoices: bool

    def __bool__(self) -> bool:
        return bool(self.wallets) or self.invoices


def dependants(card: PaymentMethod) -> Dependants:
    """What depends on this card: nothing, unless it is the default. As engine or portal; no locks."""
    if not card.is_default:
        return Dependants((), invoices=False)
    rules = RefillRule.objects.filter(account_id=card.account_id, automatic=True).values_list("wallet_id", flat=True)
    types = Wallet.objects.filter(account_id=card.account_id, id__in=list(rules)).values_list("type_code", flat=True)
    names = CreditType.objects.filter(code__in=list(types)).order_by("position").values_list("name", flat=True)
    return Dependants(tuple(names), dunning.collects(card.account_id))


def is_under_way(card: PaymentMethod) -> bool:
    """Whether a charge of this card was sent and has not come to its end."""
    mine = {"account_id": card.account_id, "method_id": card.id}
    refills = Refill.objects.filter(**mine, state__in=SENT)
    return refills.exists() or PaymentIntent.objects.filter(**mine, state__in=SENT_INTENTS).exists()


def remove(account_id: UUID, method_id: UUID, actor: Actor, *, knowing: bool = False) -> PaymentMethod:
    """Never charge this card again; the worker has its gateway forget it.

    Own transaction. Locks the wallets, which a refill that begins holds, then the account's row, which a payment that
    begins holds. Raises NotFound, ChargeUnderWay, and Needed unless the actor is `knowing` what depends on it.
    """

    def check(card: PaymentMethod) -> None:
        if is_under_way(card):
            raise ChargeUnderWay(f"{methods.label(card)} is being charged. Remove it when that has come to an end.")
        if not knowing and dependants(card):
            raise Needed(f"Refills or invoices are charged to {methods.label(card)}.")

    def work() -> PaymentMethod:
        lock(account_id, Wallet.objects.filter(account_id=account_id).values_list("type_code", flat=True))
        return methods.remove(account_id, method_id, actor, check)

    return in_transaction(work)
