"""Charges and balance transactions: https://docs.stripe.com/api/charges, https://docs.stripe.com/api/balance_transactions."""

from typing import Any

from tests.gateway import cards, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page, search_page
from tests.gateway.search import Query

FEE_RATE_BASIS_POINTS = 290
FEE_FIXED = 30


@endpoint("GET", "/v1/charges/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/charges/retrieve"""
    return call.books.find("charge", call.id)


@endpoint("GET", "/v1/charges", customer=shapes.text, payment_intent=shapes.text, created=shapes.span, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/charges/list"""
    return page(call, "charge", "/v1/charges", matches(call, "customer", "payment_intent"))


@endpoint("GET", "/v1/charges/search", query_=shapes.text, limit=shapes.whole, page=shapes.text)
def search(call: Call) -> Object:
    """https://docs.stripe.com/api/charges/search"""
    query = Query("charge", call.params["query"])
    found = [each for each in call.books.seen_by_search("charge", query.label()) if query.fits(each)]
    return search_page(call, "charge", "/v1/charges/search", found)


@endpoint("GET", "/v1/balance_transactions/{}")
def retrieve_transaction(call: Call) -> Object:
    """https://docs.stripe.com/api/balance_transactions/retrieve"""
    return call.books.find("balance_transaction", call.id)


@endpoint(
    "GET", "/v1/balance_transactions", created=shapes.span, currency=shapes.currency, source=shapes.text,
    type=shapes.text, payout=shapes.text, **PAGE,
)
def list_transactions(call: Call) -> Object:
    """https://docs.stripe.com/api/balance_transactions/list"""
    return page(
        call, "balance_transaction", "/v1/balance_transactions", matches(call, "currency", "source", "type"),
    )


@endpoint("GET", "/v1/balance")
def balance(call: Call) -> Object:
    """https://docs.stripe.com/api/balance/balance_retrieve"""
    totals: dict[str, int] = {}
    for transaction in call.books.newest_first("balance_transaction"):
        totals[transaction["currency"]] = totals.get(transaction["currency"], 0) + transaction["net"]
    funds = [{"amount": totals[each], "currency": each, "source_types": {"card": totals[each]}} for each in sorted(totals)]
    return {"object": "balance", "available": funds, "livemode": False, "pending": []}


def take(call: Call, intent: Object, method: Object, amount: int) -> Object:
    """Money moves: a succeeded charge, its balance transaction and its line in the truth file."""
    charge = _new(call, intent, method, {
        "amount": amount, "amount_captured": amount, "captured": True, "paid": True, "status": "succeeded",
        "outcome": {
            "advice_code": None, "network_advice_code": None, "network_decline_code": None,
            "network_status": "approved_by_network", "reason": None, "risk_level": "normal", "risk_score": 20,
            "seller_message": "Payment complete.", "type": "authorized",
        },
    })
    charge["balance_transaction"] = transaction(call, charge, "charge", amount, _fee(amount))["id"]
    call.books.moved(
        call.change, "charge", charge, amount, payment_intent=intent["id"], customer=charge["customer"],
        metadata=dict(charge["metadata"]),
    )
    call.emit("charge.succeeded", charge)
    return charge


def fail(call: Call, intent: Object, method: Object, code: str, decline: str) -> Object:
    """No money moves: a failed charge (https://docs.stripe.com/declines)."""
    error = cards.card_error(code, decline)
    charge = _new(call, intent, method, {
        "amount": intent["amount"], "amount_captured": 0, "captured": False, "paid": False, "status": "failed",
        "failure_code": code, "failure_message": str(error),
        "outcome": {
            "advice_code": None, "network_advice_code": None, "network_decline_code": None,
            "network_status": "declined_by_network", "reason": decline or code, "risk_level": "normal", "risk_score": 20,
            "seller_message": "The bank returned a decline.", "type": "issuer_declined",
        },
    })
    call.emit("charge.failed", charge)
    return charge


def transaction(call: Call, source: Object, kind: str, amount: int, fee: int, description: str = "") -> Object:
    """A line of the merchant's balance: `amount` with its sign, `fee` taken off it."""
    what = "Dispute fee" if kind == "adjustment" else "Stripe processing fees"
    told = {"amount": fee, "application": None, "currency": source["currency"], "description": what, "type": "stripe_fee"}
    return call.books.new(call.change, "balance_transaction", {
        "amount": amount, "available_on": call.books.clock.second(), "currency": source["currency"],
        "description": description or None, "exchange_rate": None, "fee": fee, "fee_details": [told] if fee else [],
        "net": amount - fee, "reporting_category": {"adjustment": "dispute"}.get(kind, kind), "source": source["id"],
        "status": "available", "type": kind,
    })


def _fee(amount: int) -> int:
    return amount * FEE_RATE_BASIS_POINTS // 10_000 + FEE_FIXED


def _new(call: Call, intent: Object, method: Object, more: dict[str, Any]) -> Object:
    charge = call.books.new(call.change, "charge", {
        "amount": 0, "amount_captured": 0, "amount_refunded": 0, "balance_transaction": None,
        "billing_details": method["billing_details"], "captured": False, "currency": intent["currency"],
        "customer": intent["customer"], "description": intent["description"], "disputed": False,
        "failure_balance_transaction": None, "failure_code": None, "failure_message": None, "fraud_details": {},
        "metadata": dict(intent["metadata"]), "paid": False, "payment_intent": intent["id"],
        "payment_method": method["id"], "payment_method_details": {"card": method["card"], "type": "card"},
        "receipt_email": intent["receipt_email"], "receipt_number": None, "receipt_url": None, "refunded": False,
        "statement_descriptor": None, "_card": method["_card"],
    } | more)
    return charge
