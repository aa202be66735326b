"""PaymentIntents: https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/payments/paymentintents/lifecycle.

requires_payment_method → requires_confirmation → (requires_action →) succeeded; a failed attempt goes back to
requires_payment_method with `last_payment_error`; canceled from any state but succeeded.
"""

import secrets
from typing import Any

from tests.gateway import cards, charges, disputes, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page, render, search_page
from tests.gateway.errors import Invalid, Refusal, refused
from tests.gateway.methods import attach, card_of, usable
from tests.gateway.search import Query

MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "jpy": 50, "aud": 50, "cad": 50, "nzd": 50, "sgd": 50}
"""https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts, in minor units; others are let through."""
MAXIMUM = 99_999_999

CONFIRMING = {
    "payment_method": shapes.text, "off_session": shapes.one_of("true", "false", "one_off", "recurring"),
    "return_url": shapes.text, "error_on_requires_action": shapes.flag, "receipt_email": shapes.text,
    "setup_future_usage": shapes.one_of("off_session", "on_session"), "payment_method_types": shapes.words,
    "use_stripe_sdk": shapes.flag, "mandate": shapes.text, "mandate_data": shapes.anything,
    "payment_method_options": shapes.anything,
}
DESCRIBING = {
    "description": shapes.text, "metadata": shapes.metadata, "statement_descriptor": shapes.text,
    "statement_descriptor_suffix": shapes.text,
}
AUTOMATIC = shapes.table(enabled_=shapes.flag, allow_redirects=shapes.one_of("always", "never"))
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


@endpoint(
    "POST", "/v1/payment_intents", amount_=shapes.whole, currency_=shapes.currency, customer=shapes.text,
    confirm=shapes.flag, capture_method=shapes.one_of("automatic", "automatic_async"),
    confirmation_method=shapes.one_of("automatic", "manual"), automatic_payment_methods=AUTOMATIC,
    **CONFIRMING, **DESCRIBING,
)
def create(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/create"""
    intent = new(call, call.params)
    if call.params.get("confirm"):
        confirm_now(call, intent, call.params)
    return intent


@endpoint("POST", "/v1/payment_intents/{}/confirm", **CONFIRMING)
def confirm(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/confirm"""
    intent = call.books.find("payment_intent", call.id)
    if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise _unexpected(call, intent, "confirm")
    use(call, intent, call.params)
    confirm_now(call, intent, call.params)
    return intent


@endpoint(
    "POST", "/v1/payment_intents/{}", amount=shapes.whole, currency=shapes.currency, customer=shapes.text,
    payment_method=shapes.text, receipt_email=shapes.text, setup_future_usage=shapes.text,
    payment_method_types=shapes.words, **DESCRIBING,
)
def update(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/update"""
    intent = call.books.find("payment_intent", call.id)
    if intent["status"] in ("succeeded", "canceled") and set(call.params) - {"metadata", "description", "expand"}:
        raise _unexpected(call, intent, "update")
    use(call, intent, call.params)
    for name in ("amount", "currency", "customer", "description", "receipt_email"):
        intent[name] = call.params.get(name, intent[name])
    call.label(intent)
    call.books.touch(call.change, intent)
    return intent


@endpoint("GET", "/v1/payment_intents/{}", client_secret=shapes.text)
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/retrieve"""
    return call.books.find("payment_intent", call.id)


@endpoint("GET", "/v1/payment_intents", customer=shapes.text, created=shapes.span, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/list: sees everything at once, other than search
    (https://docs.stripe.com/search#data-freshness)."""
    return page(call, "payment_intent", "/v1/payment_intents", matches(call, "customer"))


@endpoint("GET", "/v1/payment_intents/search", query_=shapes.text, limit=shapes.whole, page=shapes.text)
def search(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/search: sees the state of some time ago."""
    query = Query("payment_intent", call.params["query"])
    found = [each for each in call.books.seen_by_search("payment_intent", query.label()) if query.fits(each)]
    return search_page(call, "payment_intent", "/v1/payment_intents/search", found)


@endpoint(
    "POST", "/v1/payment_intents/{}/cancel",
    cancellation_reason=shapes.one_of("duplicate", "fraudulent", "requested_by_customer", "abandoned"),
)
def cancel(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_intents/cancel"""
    intent = call.books.find("payment_intent", call.id)
    if intent["status"] not in CANCELABLE:
        raise _unexpected(call, intent, "cancel")
    intent |= {
        "status": "canceled", "canceled_at": call.books.clock.second(), "next_action": None,
        "cancellation_reason": call.params.get("cancellation_reason"),
    }
    call.books.touch(call.change, intent)
    call.emit("payment_intent.canceled", intent)
    return intent


def new(call: Call, params: dict[str, Any]) -> Object:
    """A PaymentIntent that has not been confirmed."""
    _check_amount(params["amount"], params["currency"])
    _check_confirming(params)
    if "customer" in params:
        call.books.find("customer", params["customer"], "customer")
    intent = call.books.new(call.change, "payment_intent", {
        "amount": params["amount"], "amount_capturable": 0, "amount_details": {"tip": {}}, "amount_received": 0,
        "application": None, "application_fee_amount": None,
        "automatic_payment_methods": params.get("automatic_payment_methods"), "canceled_at": None,
        "cancellation_reason": None, "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": None, "confirmation_method": params.get("confirmation_method", "automatic"),
        "currency": params["currency"], "customer": params.get("customer"), "description": params.get("description"),
        "last_payment_error": None, "latest_charge": None, "metadata": {}, "next_action": None, "on_behalf_of": None,
        "payment_method": None, "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types", ["card"]), "processing": None,
        "receipt_email": params.get("receipt_email"), "review": None,
        "setup_future_usage": params.get("setup_future_usage"), "shipping": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method", "transfer_data": None, "transfer_group": None,
    })
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(8)}"
    intent["metadata"] = {name: value for name, value in params.get("metadata", {}).items() if value != ""}
    call.emit("payment_intent.created", intent)
    use(call, intent, params)
    return intent


def confirm_now(call: Call, intent: Object, params: dict[str, Any]) -> None:
    """Try to take the money: succeeded, requires_action, or a 402 that carries the intent. Off session a card that
    wants authentication fails with `authentication_required`, as https://docs.stripe.com/payments/save-and-reuse and
    https://docs.stripe.com/declines/codes say."""
    if intent["payment_method"] is None:
        raise refused(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment "
            "method or ConfirmationToken.", "payment_intent_unexpected_state", payment_intent=render(call.books, intent),
        )
    method = call.books.objects[intent["payment_method"]]
    card = card_of(method)
    off_session = params.get("off_session", "false") != "false"
    wants = card.authentication == "always" or (card.authentication == "unless set up" and not method["_set_up"])
    if wants and (off_session or params.get("error_on_requires_action")):
        raise declined(call, intent, method, "authentication_required", "authentication_required")
    if wants:
        ask_for_action(call, intent, params.get("return_url"))
    elif card.code:
        raise declined(call, intent, method, card.code, card.decline)
    else:
        succeed(call, intent, method)


def succeed(call: Call, intent: Object, method: Object) -> None:
    """The money is taken; a card that disputes does so at once (https://docs.stripe.com/testing#disputes)."""
    charge = charges.take(call, intent, method, intent["amount"] - call.short_by)
    intent |= {
        "status": "succeeded", "amount_received": charge["amount"], "latest_charge": charge["id"], "next_action": None,
        "last_payment_error": None,
    }
    if intent["setup_future_usage"] and intent["customer"]:
        attach(call, method, intent["customer"])
    elif method["customer"] is None:
        method["_spent"] = True
    call.books.touch(call.change, method)
    call.books.touch(call.change, intent)
    call.emit("payment_intent.succeeded", intent)
    if reason := card_of(method).dispute:
        disputes.begin(call, charge, reason)


def declined(call: Call, intent: Object, method: Object, code: str, decline: str) -> Refusal:
    """The attempt failed: the intent remembers why and wants another method; the error carries it."""
    charge = charges.fail(call, intent, method, code, decline)
    error = cards.card_error(code, decline, charge=charge["id"])
    intent |= {
        "status": "requires_payment_method", "latest_charge": charge["id"], "payment_method": None, "next_action": None,
        "last_payment_error": error.error | {"payment_method": render(call.books, method)},
    }
    if method["customer"] is None:
        method["_spent"] = True
    call.books.touch(call.change, method)
    call.books.touch(call.change, intent)
    call.emit("payment_intent.payment_failed", intent)
    return cards.card_error(
        code, decline, charge=charge["id"], payment_intent=render(call.books, intent),
        payment_method=render(call.books, method),
    )


def ask_for_action(call: Call, intent: Object, return_url: str | None) -> None:
    """https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action: to a page of the bank, from
    which the holder comes back to `return_url`; without one, the front-end SDK would do it."""
    url = f"{call.base_url}/c/authenticate/{intent['id']}"
    action: Object = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
    if return_url:
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    intent |= {"status": "requires_action", "next_action": action, "_return_url": return_url}
    call.books.touch(call.change, intent)
    call.emit("payment_intent.requires_action", intent)


def authenticated(call: Call, intent: Object, agreed: bool) -> None:
    """What the holder did on the bank's page. Refusing fails with `payment_intent_authentication_failure`
    (https://docs.stripe.com/error-codes#payment-intent-authentication-failure). A page that was left open does nothing to
    what was ended, or decided, meanwhile."""
    if intent["status"] != "requires_action":
        return
    method = call.books.objects[intent["payment_method"]]
    card = card_of(method)
    if not agreed:
        intent |= {
            "status": "requires_payment_method", "next_action": None, "payment_method": None,
            "last_payment_error": {
                "type": "invalid_request_error", "code": "payment_intent_authentication_failure",
                "message": "The provided PaymentMethod has failed authentication.",
                "payment_method": render(call.books, method),
            },
        }
        call.books.touch(call.change, intent)
        call.emit("payment_intent.payment_failed", intent)
    elif card.code:
        declined(call, intent, method, card.code, card.decline)
    else:
        succeed(call, intent, method)


def use(call: Call, intent: Object, params: dict[str, Any]) -> None:
    """Set the method to pay with. One that belongs to a customer needs that customer named
    (https://docs.stripe.com/api/payment_intents/create#create_payment_intent-customer)."""
    if "payment_method" not in params:
        return
    method = usable(call, params["payment_method"])
    owner = method["customer"]
    if owner is not None and intent["customer"] is None:
        raise refused(
            f"The payment method supplied ({method['id']}) belongs to a Customer. Please include the Customer in the "
            "`customer` parameter on the PaymentIntent.", param="payment_method",
        )
    if owner not in (None, intent["customer"]):
        raise refused(
            f"The payment method supplied ({method['id']}) does not belong to the Customer ({intent['customer']}) you "
            "supplied.", param="payment_method",
        )
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        intent["status"] = "requires_confirmation"
    call.books.touch(call.change, intent)


def _check_amount(amount: int, currency: str) -> None:
    if amount < max(1, MINIMUM.get(currency, 1)):
        raise Invalid(
            "The amount must be greater than or equal to the minimum charge amount allowed for your account and the "
            "currency set.", "amount", "amount_too_small",
        )
    if amount > MAXIMUM:
        raise Invalid("Amount must be no more than 999,999.99", "amount", "amount_too_large")


def _check_confirming(params: dict[str, Any]) -> None:
    if params.get("confirm"):
        return
    for name in ("off_session", "error_on_requires_action", "return_url"):
        if name in params:
            raise Invalid(f"You can only set `{name}` when `confirm` is true.", name)


def _unexpected(call: Call, intent: Object, verb: str) -> Refusal:
    """https://docs.stripe.com/error-codes#payment-intent-unexpected-state"""
    return refused(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        "payment_intent_unexpected_state", payment_intent=render(call.books, intent),
    )
