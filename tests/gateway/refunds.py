"""Refunds: https://docs.stripe.com/api/refunds, https://docs.stripe.com/refunds."""

from tests.gateway import charges, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page
from tests.gateway.errors import refused
from tests.gateway.methods import card_of


@endpoint(
    "POST", "/v1/refunds", charge=shapes.text, payment_intent=shapes.text, amount=shapes.whole, metadata=shapes.metadata,
    reason=shapes.one_of("duplicate", "fraudulent", "requested_by_customer"), currency=shapes.currency,
)
def create(call: Call) -> Object:
    """https://docs.stripe.com/api/refunds/create: up to what is left of the charge; without `amount`, all of that."""
    charge = _charge(call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = call.params.get("amount", left)
    _check(charge, amount, left)
    method = call.books.objects[charge["payment_method"]]
    becomes = card_of(method).refunds
    refund = call.books.new(call.change, "refund", {
        "amount": amount, "balance_transaction": None, "charge": charge["id"], "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"}, "metadata": {},
        "payment_intent": charge["payment_intent"], "reason": call.params.get("reason"), "receipt_number": None,
        "source_transfer_reversal": None, "status": "pending" if becomes == "pending" else "succeeded",
        "transfer_reversal": None, "_becomes": {"pending": "succeeded", "failed": "failed"}.get(becomes, ""),
    })
    call.label(refund)
    refund["balance_transaction"] = charges.transaction(call, refund, "refund", -amount, 0)["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    call.books.touch(call.change, charge)
    call.books.moved(
        call.change, "refund", refund, amount, payment_intent=refund["payment_intent"], customer=charge["customer"],
        metadata=dict(refund["metadata"]),
    )
    call.emit("refund.created", refund)
    call.emit("charge.refunded", charge)
    return refund


@endpoint("GET", "/v1/refunds/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/refunds/retrieve"""
    return call.books.find("refund", call.id)


@endpoint("POST", "/v1/refunds/{}", metadata=shapes.metadata)
def update(call: Call) -> Object:
    """https://docs.stripe.com/api/refunds/update"""
    refund = call.books.find("refund", call.id)
    call.label(refund)
    call.books.touch(call.change, refund)
    return refund


@endpoint("GET", "/v1/refunds", charge=shapes.text, payment_intent=shapes.text, created=shapes.span, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/refunds/list"""
    return page(call, "refund", "/v1/refunds", matches(call, "charge", "payment_intent"))


def become(call: Call, refund: Object, status: str) -> None:
    """What a refund turns into later: https://docs.stripe.com/refunds#failed-refunds. A failed one brings the money
    back to the merchant."""
    refund["status"], refund["_becomes"] = status, ""
    call.books.touch(call.change, refund)
    if status == "failed":
        charge = call.books.objects[refund["charge"]]
        back = charges.transaction(call, refund, "refund_failure", refund["amount"], 0)
        refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": back["id"]}
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        call.books.touch(call.change, charge)
        call.books.moved(
            call.change, "refund_failed", refund, refund["amount"], payment_intent=refund["payment_intent"],
            customer=charge["customer"], metadata=dict(refund["metadata"]),
        )
        call.emit("refund.failed", refund)
    call.emit("refund.updated", refund)
    call.emit("charge.refund.updated", refund)


def _charge(call: Call) -> Object:
    if "charge" in call.params:
        return call.books.find("charge", call.params["charge"], "charge")
    if "payment_intent" not in call.params:
        raise refused("One of the following params should be provided for this request: payment_intent or charge.")
    intent = call.books.find("payment_intent", call.params["payment_intent"], "payment_intent")
    if intent["status"] != "succeeded":
        raise refused(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param="payment_intent"
        )
    return call.books.find("charge", intent["latest_charge"])


def _check(charge: Object, amount: int, left: int) -> None:
    """https://docs.stripe.com/error-codes: charge-already-refunded, charge-disputed."""
    if charge["disputed"]:
        raise refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge_disputed")
    if charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} has not been captured; cannot issue a refund.")
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
    if amount > left:
        raise refused(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
        )
    if amount < 1:
        raise refused("Invalid positive integer", "parameter_invalid_integer", "amount")
