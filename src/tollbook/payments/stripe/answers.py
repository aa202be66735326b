"""What Stripe's objects and errors mean in the port's words. Everything here works on plain tables; nothing asks.

Sources: https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/declines/codes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import stripe

from tollbook.payments.gateway import (
    CANCELED,
    ActionRequired,
    ChargeAnswer,
    Charged,
    ChargeRequest,
    ChargeState,
    Declined,
    Dispute,
    DisputeState,
    GivenBack,
    NewMethod,
    RefundAnswer,
    Refunded,
    Succeeded,
    Unknown,
)
from tollbook.payments.stripe.units import from_units

NAME = "stripe"
Table = Mapping[str, Any]

HARD = {
    "expired_card", "highest_risk_level", "incorrect_number", "invalid_account", "lost_card", "merchant_blacklist",
    "no_such_card", "pickup_card", "restricted_card", "revocation_of_all_authorizations", "revocation_of_authorization",
    "security_violation", "stolen_card", "stop_payment_order", "transaction_not_allowed",
}  # fmt: skip
"""The bank, or Stripe, wants this card never to be tried again."""

NOT_OF_THE_CARD = {
    "duplicate_transaction", "fraudulent", "highest_risk_level", "merchant_blacklist",
    "payment_intent_authentication_failure", "processing_error", "reenter_transaction", "try_again_later",
}  # fmt: skip
"""Another card is no answer to these: the same charge was made already, somebody is suspected, its holder refused it at
the bank, or nobody was asked."""

SENTENCES = {
    "insufficient_funds": "The card has insufficient funds.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The card's security code is wrong.",
    "processing_error": "The bank could not process the card just now.",
    "card_velocity_exceeded": "The card's limit is reached.",
    "withdrawal_count_limit_exceeded": "The card's limit is reached.",
    "lost_card": "The bank declined the card.",
    "stolen_card": "The bank declined the card.",
    "no_such_card": "The gateway does not know this card any more.",
    "duplicate_transaction": "The bank takes this for the same charge twice.",
}
DECLINED = "The bank declined the card."

BRANDS = {
    "visa": "Visa", "mastercard": "Mastercard", "amex": "American Express", "discover": "Discover", "jcb": "JCB",
    "diners": "Diners Club", "unionpay": "UnionPay", "eftpos_au": "Eftpos", "cartes_bancaires": "Cartes Bancaires",
}  # fmt: skip

LOST, WON = {"lost"}, {"won", "prevented"}


def metadata(request: ChargeRequest, install: str) -> dict[str, str]:
    """What a charge carries, so that it is found again by what it was for."""
    return {
        "tollbook_install": install,
        "tollbook_account": str(request.account_id),
        "tollbook_purpose": request.purpose,
        "tollbook_id": request.our_id,
        "tollbook_attempt": str(request.attempt),
        "tollbook_key": request.idempotency_key,
    }


def of_intent(intent: Table) -> ChargeAnswer:
    """What a PaymentIntent says about the money."""
    status, failure = intent["status"], intent.get("last_payment_error")
    currency = intent["currency"].upper()
    if status == "succeeded":
        return Succeeded(intent["id"], from_units(intent["amount_received"], currency), currency)
    if status == "requires_action":
        return ActionRequired(url=_hosted(intent), reference=intent["id"])
    if status == "canceled":
        return Declined(CANCELED, "The payment was cancelled before the money moved.")
    if status == "requires_payment_method" and failure:
        return of_failure(failure, intent["id"])
    return Unknown(f"The gateway has not decided yet: {status.replace('_', ' ')}.")


def of_failure(failure: Table, reference: str) -> ChargeAnswer:
    """What a failed attempt says: the holder must confirm, or it is declined."""
    code = failure.get("decline_code") or failure.get("code") or "card_declined"
    if "authentication_required" in (code, failure.get("code")):
        return ActionRequired(reference=reference)
    sentence = SENTENCES.get(code) or SENTENCES.get(failure.get("code") or "", DECLINED)
    return Declined(code, sentence, curable_by_other_card=code not in NOT_OF_THE_CARD, hard=code in HARD)


def of_refused(error: stripe.InvalidRequestError) -> Declined:
    """A request that Stripe did not begin to execute, because it can't be.

    The card is gone, or the fault is ours or that of the settings (https://docs.stripe.com/error-codes): no bank was asked.
    """
    if _is_gone(error):
        return Declined("no_such_card", SENTENCES["no_such_card"], curable_by_other_card=True, hard=True)
    message = f"The gateway refused the request: {error.user_message}"[:200]
    return Declined(error.code or "invalid_request", message, ours=True)


def _is_gone(error: stripe.InvalidRequestError) -> bool:
    """Whether Stripe has no such card, or one that can't be used any more. That it has it in the other of its modes, live
    and test, means that the secret key is the wrong one."""
    message = error.user_message or ""
    if error.code == "resource_missing" and error.param in ("payment_method", "customer"):
        return "a similar object exists in" not in message
    return "PaymentMethod was previously used" in message


def of_error(error: stripe.StripeError) -> Unknown:
    """An error that does not say whether money moved."""
    status = f" (HTTP {error.http_status})" if error.http_status else ""
    return Unknown(f"The gateway did not answer: {type(error).__name__}{status}.")


def of_refund(refund: Table) -> RefundAnswer:
    """What a Refund says; `pending` is on its way, as bank transfers are."""
    currency = refund["currency"].upper()
    if refund["status"] in ("failed", "canceled"):
        reason = refund.get("failure_reason") or refund["status"]
        return Declined(reason, "The bank did not take the refund.")
    return Refunded(refund["id"], from_units(refund["amount"], currency), currency)


def charged(intent: Table, install: str) -> Charged:
    """A PaymentIntent as a charge; `latest_charge` is expected expanded."""
    answer, currency = of_intent(intent), intent["currency"].upper()
    if isinstance(answer, Declined) and _on_open_page(intent):
        answer = ActionRequired("The payment page is still open.", reference=intent["id"])
    about = intent["metadata"] if intent["metadata"].get("tollbook_install") == install else {}
    attempt = about.get("tollbook_attempt", "")
    latest = intent.get("latest_charge")
    refunded = latest.get("amount_refunded", 0) if isinstance(latest, Mapping) else 0
    counted = intent["amount_received"] if intent["status"] == "succeeded" else intent["amount"]
    return Charged(
        reference=intent["id"],
        idempotency_key=about.get("tollbook_key", ""),
        account_id=_uuid(about.get("tollbook_account")),
        amount=from_units(counted, currency),
        currency=currency,
        created_at=_at(intent["created"]),
        state=_state(answer),
        refunded=from_units(refunded, currency),
        answer=answer,
        purpose=about.get("tollbook_purpose", ""),
        our_id=about.get("tollbook_id", ""),
        attempt=int(attempt) if attempt.isdecimal() else 0,
    )


def given_back(refund: Table, install: str) -> GivenBack:
    """A Refund with what it belongs to."""
    about = refund.get("metadata") or {}
    about = about if about.get("tollbook_install") == install else {}
    currency = refund["currency"].upper()
    return GivenBack(
        reference=refund["id"],
        idempotency_key=about.get("tollbook_key", ""),
        account_id=_uuid(about.get("tollbook_account")),
        charge_reference=refund.get("payment_intent") or "",
        amount=from_units(refund["amount"], currency),
        currency=currency,
        created_at=_at(refund["created"]),
        answer=of_refund(refund),
    )


def is_dispute(dispute: Table) -> bool:
    """Whether money is contested; an inquiry (`warning_...`) only asks."""
    return not dispute["status"].startswith("warning_")


def dispute(dispute: Table) -> Dispute:
    """A Dispute; the fee is what its balance transactions took."""
    currency, status = dispute["currency"].upper(), dispute["status"]
    fees = [row for row in dispute.get("balance_transactions") or [] if row["currency"].upper() == currency]
    state: DisputeState = "lost" if status in LOST else "won" if status in WON else "open"
    return Dispute(
        reference=dispute["id"],
        charge_reference=dispute.get("payment_intent") or "",
        amount=from_units(dispute["amount"], currency),
        currency=currency,
        fee=from_units(sum(row["fee"] for row in fees), currency),
        state=state,
        created_at=_at(dispute["created"]),
    )


def card(method: Table) -> NewMethod | None:
    """A PaymentMethod that is a card of some customer; None for anything else."""
    details, customer = method.get("card"), method.get("customer")
    if not details or not customer:
        return None
    return NewMethod(
        gateway=NAME,
        token=f"{customer}:{method['id']}",
        brand=BRANDS.get(details["brand"], details["brand"].replace("_", " ").title())[:20],
        last4=details["last4"],
        expires_month=details["exp_month"],
        expires_year=details["exp_year"],
        fingerprint=details.get("fingerprint") or "",
    )


def _on_open_page(intent: Table) -> bool:
    """Whether the payer may still try another card: a page outlives its declined attempts."""
    return bool(intent["metadata"].get("tollbook_page")) and intent["status"] != "canceled"


def _hosted(intent: Table) -> str | None:
    action = intent.get("next_action") or {}
    return (action.get("redirect_to_url") or {}).get("url")


def _state(answer: ChargeAnswer) -> ChargeState:
    words = {Succeeded: "succeeded", Declined: "declined", ActionRequired: "action_required", Unknown: "unknown"}
    return cast(ChargeState, words[type(answer)])


def _uuid(text: str | None) -> UUID | None:
    """An id of ours; None for what somebody has written over it on the gateway's pages."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


