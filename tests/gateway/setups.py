"""SetupIntents: https://docs.stripe.com/api/setup_intents, https://docs.stripe.com/payments/setupintents/lifecycle."""

import secrets
from typing import Any

from tests.gateway import cards, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page, render
from tests.gateway.errors import Refusal, refused
from tests.gateway.methods import attach, card_of, usable

CONFIRMING = {"payment_method": shapes.text, "return_url": shapes.text, "use_stripe_sdk": shapes.flag}


@endpoint(
    "POST", "/v1/setup_intents", customer=shapes.text, confirm=shapes.flag, usage=shapes.one_of("off_session", "on_session"),
    payment_method_types=shapes.words, metadata=shapes.metadata, description=shapes.text,
    automatic_payment_methods=shapes.anything, **CONFIRMING,
)
def create(call: Call) -> Object:
    """https://docs.stripe.com/api/setup_intents/create"""
    intent = new(call, call.params)
    if call.params.get("confirm"):
        confirm_now(call, intent, call.params)
    return intent


@endpoint("POST", "/v1/setup_intents/{}/confirm", **CONFIRMING)
def confirm(call: Call) -> Object:
    """https://docs.stripe.com/api/setup_intents/confirm"""
    intent = call.books.find("setup_intent", call.id)
    if intent["status"] in ("succeeded", "canceled"):
        raise _unexpected(call, intent, "confirm")
    confirm_now(call, intent, call.params)
    return intent


@endpoint("POST", "/v1/setup_intents/{}/cancel", cancellation_reason=shapes.text)
def cancel(call: Call) -> Object:
    """https://docs.stripe.com/api/setup_intents/cancel"""
    intent = call.books.find("setup_intent", call.id)
    if intent["status"] in ("succeeded", "canceled"):
        raise _unexpected(call, intent, "cancel")
    intent |= {"status": "canceled", "cancellation_reason": call.params.get("cancellation_reason"), "next_action": None}
    call.books.touch(call.change, intent)
    call.emit("setup_intent.canceled", intent)
    return intent


@endpoint("GET", "/v1/setup_intents/{}", client_secret=shapes.text)
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/setup_intents/retrieve"""
    return call.books.find("setup_intent", call.id)


@endpoint(
    "GET", "/v1/setup_intents", customer=shapes.text, payment_method=shapes.text, created=shapes.span, **PAGE,
)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/setup_intents/list"""
    return page(call, "setup_intent", "/v1/setup_intents", matches(call, "customer", "payment_method"))


def new(call: Call, params: dict[str, Any]) -> Object:
    """A SetupIntent that has not been confirmed."""
    if "customer" in params:
        call.books.find("customer", params["customer"], "customer")
    intent = call.books.new(call.change, "setup_intent", {
        "application": None, "automatic_payment_methods": None, "cancellation_reason": None, "client_secret": None,
        "customer": params.get("customer"), "description": params.get("description"), "flow_directions": None,
        "last_setup_error": None, "latest_attempt": None, "mandate": None, "metadata": {}, "next_action": None,
        "on_behalf_of": None, "payment_method": params.get("payment_method"), "payment_method_options": {},
        "payment_method_types": params.get("payment_method_types", ["card"]), "single_use_mandate": None,
        "status": "requires_confirmation" if "payment_method" in params else "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    })
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(8)}"
    intent["metadata"] = {name: value for name, value in params.get("metadata", {}).items() if value != ""}
    call.emit("setup_intent.created", intent)
    return intent


def confirm_now(call: Call, intent: Object, params: dict[str, Any]) -> None:
    """Try to save the card: succeeded, requires_action, or a 402 that carries the intent."""
    reference = params.get("payment_method") or intent["payment_method"]
    if reference is None:
        raise refused(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            "setup_intent_unexpected_state", setup_intent=render(call.books, intent),
        )
    method = usable(call, reference)
    intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    call.books.touch(call.change, intent)
    card = card_of(method)
    if not card.attaches:
        raise declined(call, intent, card)
    if card.authentication:
        url = f"{call.base_url}/c/authenticate/{intent['id']}"
        back = params.get("return_url")
        intent |= {
            "status": "requires_action", "_return_url": back,
            "next_action": {"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": url}},
        }
    else:
        succeed(call, intent, method)


def succeed(call: Call, intent: Object, method: Object) -> None:
    """The card is saved with the customer, if one is named."""
    if intent["customer"] is not None:
        attach(call, method, intent["customer"])
    method["_set_up"] = True
    intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    call.books.touch(call.change, method)
    call.books.touch(call.change, intent)
    call.emit("setup_intent.succeeded", intent)


def declined(call: Call, intent: Object, card: cards.Card) -> Refusal:
    """The card can't be saved: the intent wants another."""
    error = cards.declined(card)
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_setup_error": error.error}
    call.books.touch(call.change, intent)
    call.emit("setup_intent.setup_failed", intent)
    return cards.declined(card, setup_intent=render(call.books, intent))


def authenticated(call: Call, intent: Object, agreed: bool) -> None:
    """What the holder did on the bank's page: https://docs.stripe.com/error-codes#setup-intent-authentication-failure."""
    if agreed:
        succeed(call, intent, call.books.objects[intent["payment_method"]])
        return
    intent |= {
        "status": "requires_payment_method", "payment_method": None, "next_action": None,
        "last_setup_error": {
            "type": "invalid_request_error", "code": "setup_intent_authentication_failure",
            "message": "The latest attempt to set up the payment method has failed because authentication failed.",
        },
    }
    call.books.touch(call.change, intent)
    call.emit("setup_intent.setup_failed", intent)


def _unexpected(call: Call, intent: Object, verb: str) -> Refusal:
    return refused(
        f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}.",
        "setup_intent_unexpected_state", setup_intent=render(call.books, intent),
    )
