"""Disputes: https://docs.stripe.com/disputes/how-disputes-work, https://docs.stripe.com/api/disputes."""

from tests.gateway import charges, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page
from tests.gateway.errors import refused

FEE = 1500
"""https://docs.stripe.com/disputes/how-disputes-work: a dispute costs the merchant a fee; here 15.00."""
DAYS_TO_ANSWER = 21
OPEN = ("needs_response", "under_review")
WORDS = {"winning_evidence": "won", "losing_evidence": "lost"}
"""https://docs.stripe.com/testing#disputes: these words as `uncategorized_text` end a test dispute."""


@endpoint("GET", "/v1/disputes/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/disputes/retrieve"""
    return call.books.find("dispute", call.id)


@endpoint("GET", "/v1/disputes", charge=shapes.text, payment_intent=shapes.text, created=shapes.span, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/disputes/list"""
    return page(call, "dispute", "/v1/disputes", matches(call, "charge", "payment_intent"))


@endpoint(
    "POST", "/v1/disputes/{}", evidence=shapes.anything, submit=shapes.flag, metadata=shapes.metadata,
)
def update(call: Call) -> Object:
    """https://docs.stripe.com/api/disputes/update: evidence, submitted unless `submit` is false."""
    dispute = call.books.find("dispute", call.id)
    if dispute["status"] not in OPEN:
        raise refused("This dispute is already closed.")
    call.label(dispute)
    evidence = call.params.get("evidence", {})
    dispute["evidence"] |= evidence
    call.books.touch(call.change, dispute)
    if evidence and call.params.get("submit", True):
        dispute["status"] = "under_review"
        dispute["evidence_details"] |= {"has_evidence": True, "submission_count": 1}
        call.emit("charge.dispute.updated", dispute)
        if outcome := WORDS.get(evidence.get("uncategorized_text", "")):
            end(call, dispute, outcome)
    return dispute


@endpoint("POST", "/v1/disputes/{}/close")
def close(call: Call) -> Object:
    """https://docs.stripe.com/api/disputes/close: accepted as lost; irreversible."""
    dispute = call.books.find("dispute", call.id)
    if dispute["status"] not in OPEN:
        raise refused("This dispute is already closed.")
    end(call, dispute, "lost")
    return dispute


def begin(call: Call, charge: Object, reason: str, amount: int | None = None) -> Object:
    """A card's holder disputes a charge: the amount and a fee leave the merchant's balance at once."""
    if charge["disputed"] or charge["status"] != "succeeded":
        raise refused(f"Charge {charge['id']} cannot be disputed.")
    amount = amount or charge["amount_captured"] - charge["amount_refunded"]
    dispute = call.books.new(call.change, "dispute", {
        "amount": amount, "balance_transactions": [], "charge": charge["id"],
        "currency": charge["currency"], "enhanced_eligibility_types": [], "evidence": {},
        "evidence_details": {
            "due_by": call.books.clock.second() + DAYS_TO_ANSWER * 86_400, "enhanced_eligibility": {},
            "has_evidence": False, "past_due": False, "submission_count": 0,
        },
        "is_charge_refundable": False, "metadata": {}, "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": {
            "brand": charge["payment_method_details"]["card"]["brand"], "case_type": "chargeback",
            "network_reason_code": "10.4",
        }, "type": "card"},
        "reason": reason, "status": "needs_response",
    })
    _book(call, dispute, -amount, FEE, f"Chargeback withdrawal for {charge['id']}")
    charge["disputed"] = True
    call.books.touch(call.change, charge)
    _moved(call, "dispute", dispute, charge)
    call.emit("charge.dispute.created", dispute)
    call.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def end(call: Call, dispute: Object, outcome: str) -> None:
    """Won brings the amount back, lost does not (https://docs.stripe.com/disputes/how-disputes-work). Whether a fee comes
    back too differs from country to country; here it stays."""
    dispute["status"] = outcome
    call.books.touch(call.change, dispute)
    if outcome == "won":
        _book(call, dispute, dispute["amount"], 0, f"Chargeback reversal for {dispute['charge']}")
        _moved(call, "dispute_won", dispute, call.books.objects[dispute["charge"]])
        call.emit("charge.dispute.funds_reinstated", dispute)
    call.emit("charge.dispute.closed", dispute)


def _book(call: Call, dispute: Object, amount: int, fee: int, description: str) -> None:
    line = charges.transaction(call, dispute, "adjustment", amount, fee, description)
    dispute["balance_transactions"] = [*dispute["balance_transactions"], dict(line)]


def _moved(call: Call, what: str, dispute: Object, charge: Object) -> None:
    call.books.moved(
        call.change, what, dispute, dispute["amount"], payment_intent=dispute["payment_intent"],
        customer=charge["customer"], metadata=dict(charge["metadata"]), fee=FEE if what == "dispute" else 0,
    )
