"""PaymentMethods, cards only: https://docs.stripe.com/api/payment_methods."""

from datetime import UTC, datetime
from typing import Any

from tests.gateway import cards, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page
from tests.gateway.errors import missing, refused

SPENT = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used again. To use a "
    "PaymentMethod multiple times, you must attach it to a Customer first."
)
CARD = shapes.table(
    number=shapes.text, exp_month=shapes.whole, exp_year=shapes.whole, cvc=shapes.text, token=shapes.text,
)


@endpoint(
    "POST", "/v1/payment_methods", type_=shapes.one_of("card"), card=CARD, billing_details=shapes.anything,
    metadata=shapes.metadata,
)
def create(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/create. Sending card numbers to the API is for tests only
    (https://docs.stripe.com/testing#cards)."""
    card = call.params.get("card", {})
    method = make(call, by_number(card.get("number", "")), card.get("exp_month"), card.get("exp_year"))
    call.label(method)
    return method


@endpoint("GET", "/v1/payment_methods/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/retrieve"""
    return call.books.find("payment_method", call.id)


@endpoint(
    "POST", "/v1/payment_methods/{}", metadata=shapes.metadata, billing_details=shapes.anything,
    card=shapes.table(exp_month=shapes.whole, exp_year=shapes.whole),
)
def update(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/update"""
    method = call.books.find("payment_method", call.id)
    if method["customer"] is None:
        raise refused("You must save this PaymentMethod to a customer before you can update it.")
    method["card"] |= call.params.get("card", {})
    call.label(method)
    call.books.touch(call.change, method)
    call.emit("payment_method.updated", method)
    return method


@endpoint("POST", "/v1/payment_methods/{}/attach", customer_=shapes.text)
def attach_one(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/attach"""
    method = usable(call, call.id, "id")
    customer = call.books.find("customer", call.params["customer"], "customer")
    attach(call, method, customer["id"])
    return method


@endpoint("POST", "/v1/payment_methods/{}/detach")
def detach(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/detach: after that it can no longer be used."""
    method = call.books.find("payment_method", call.id)
    if method["customer"] is None:
        raise refused("The payment method you provided is not attached to a customer so detachment is impossible.")
    method["customer"], method["_spent"] = None, True
    call.books.touch(call.change, method)
    call.emit("payment_method.detached", method)
    return method


@endpoint("GET", "/v1/payment_methods", customer=shapes.text, type=shapes.text, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/list"""
    if "customer" in call.params:
        call.books.find("customer", call.params["customer"], "customer")
    return page(call, "payment_method", "/v1/payment_methods", matches(call, "customer", "type"))


@endpoint("GET", "/v1/customers/{}/payment_methods", type=shapes.text, **PAGE)
def list_of_customer(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/customer_list"""
    customer = call.books.find("customer", call.id)["id"]
    of_type = matches(call, "type")
    url = f"/v1/customers/{customer}/payment_methods"
    return page(call, "payment_method", url, lambda method: method["customer"] == customer and of_type(method))


@endpoint("GET", "/v1/customers/{}/payment_methods/{}")
def retrieve_of_customer(call: Call) -> Object:
    """https://docs.stripe.com/api/payment_methods/customer"""
    method = call.books.find("payment_method", call.ids[1])
    if method["customer"] != call.ids[0]:
        raise missing("PaymentMethod", call.ids[1])
    return method


def by_number(number: str) -> cards.Card:
    """The test card of this number. https://docs.stripe.com/testing: real numbers are not for tests, and a wrong check
    digit is `incorrect_number`."""
    number = number.replace(" ", "")
    if number in cards.BY_NUMBER:
        return cards.BY_NUMBER[number]
    if not number.isdigit() or not cards.passes_luhn(number):
        raise cards.card_error("incorrect_number", param="number")
    raise cards.card_error(
        "card_declined", "test_mode_live_card",
    )


def make(call: Call, card: cards.Card, month: int | None = None, year: int | None = None) -> Object:
    """A new PaymentMethod of this test card; it expires in a year unless told otherwise."""
    today = datetime.fromtimestamp(call.books.clock.now(), UTC)
    shown: dict[str, Any] = {
        "brand": card.brand, "checks": {
            "address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked",
        },
        "country": "US", "display_brand": card.brand, "exp_month": month or today.month, "exp_year": year or today.year + 1,
        "fingerprint": f"fp{card.number[-10:]}", "funding": "credit", "generated_from": None, "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None}, "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True}, "wallet": None,
    }
    details = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    return call.books.new(call.change, "payment_method", {
        "allow_redisplay": "unspecified", "billing_details": details, "card": shown, "customer": None,
        "metadata": {}, "type": "card", "_card": card.token, "_spent": False, "_set_up": False,
    })


def usable(call: Call, reference: str, param: str = "payment_method") -> Object:
    """The PaymentMethod of this name; a documented token such as pm_card_visa makes a new one each time."""
    if reference in cards.BY_TOKEN:
        return make(call, cards.BY_TOKEN[reference])
    method = call.books.find("payment_method", reference, param)
    if method["_spent"]:
        raise refused(SPENT)
    return method


def card_of(method: Object) -> cards.Card:
    """How this method behaves."""
    return cards.BY_TOKEN[method["_card"]]


def attach(call: Call, method: Object, customer: str) -> None:
    """Save a method with a customer. Cards of the decline table can't be: https://docs.stripe.com/testing#declined-payments."""
    card = card_of(method)
    if not card.attaches:
        raise cards.declined(card)
    if method["customer"] not in (None, customer):
        raise refused("The payment method you provided has already been attached to a customer.")
    if method["customer"] is None:
        method["customer"] = customer
        call.books.touch(call.change, method)
        call.emit("payment_method.attached", method)
