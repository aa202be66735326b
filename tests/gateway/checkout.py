"""Checkout Sessions in the modes setup and payment: https://docs.stripe.com/api/checkout/sessions,
https://docs.stripe.com/payments/save-and-reuse?platform=checkout. The hosted page itself is in `pages`."""

from typing import Any

from tests.gateway import intents, setups, shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page
from tests.gateway.errors import Invalid, refused
from tests.gateway.methods import make

OPEN_SECONDS = 24 * 3600
PRICE = shapes.table(
    currency_=shapes.currency, unit_amount_=shapes.whole, product=shapes.text,
    product_data=shapes.table(name_=shapes.text, description=shapes.text),
)
ITEMS = shapes.rows(shapes.table(price_data_=PRICE, quantity=shapes.whole))


@endpoint(
    "POST", "/v1/checkout/sessions", mode_=shapes.one_of("setup", "payment"), customer=shapes.text,
    success_url_=shapes.text, cancel_url=shapes.text, currency=shapes.currency, payment_method_types=shapes.words,
    metadata=shapes.metadata, client_reference_id=shapes.text, customer_email=shapes.text, locale=shapes.text,
    line_items=ITEMS, expires_at=shapes.whole, submit_type=shapes.text, customer_creation=shapes.text,
    setup_intent_data=shapes.table(metadata=shapes.metadata, description=shapes.text),
    payment_intent_data=shapes.table(
        metadata=shapes.metadata, description=shapes.text, receipt_email=shapes.text,
        setup_future_usage=shapes.one_of("off_session", "on_session"), statement_descriptor_suffix=shapes.text,
    ),
    saved_payment_method_options=shapes.anything, payment_method_options=shapes.anything,
)
def create(call: Call) -> Object:
    """https://docs.stripe.com/api/checkout/sessions/create: open for 24 hours unless `expires_at` says otherwise."""
    params = call.params
    total, currency = _total(params)
    if "customer" in params:
        call.books.find("customer", params["customer"], "customer")
    session = call.books.new(call.change, "checkout.session", {
        "amount_subtotal": total, "amount_total": total, "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"), "currency": currency,
        "customer": params.get("customer"), "customer_details": None, "customer_email": params.get("customer_email"),
        "expires_at": params.get("expires_at", call.books.clock.second() + OPEN_SECONDS), "locale": params.get("locale"),
        "metadata": params.get("metadata", {}), "mode": params["mode"], "payment_intent": None,
        "payment_method_types": params.get("payment_method_types", ["card"]), "setup_intent": None,
        "payment_status": "no_payment_required" if params["mode"] == "setup" else "unpaid", "status": "open",
        "success_url": params["success_url"], "url": None, "_payment": params.get("payment_intent_data", {}),
    })
    session["url"] = f"{call.base_url}/c/pay/{session['id']}"
    if params["mode"] == "setup":
        wanted = params.get("setup_intent_data", {}) | ({"customer": params["customer"]} if "customer" in params else {})
        session["setup_intent"] = setups.new(call, wanted)["id"]
    return session


@endpoint("GET", "/v1/checkout/sessions/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/checkout/sessions/retrieve"""
    session = call.books.find("checkout.session", call.id)
    _age(call, session)
    return session


@endpoint(
    "GET", "/v1/checkout/sessions", customer=shapes.text, payment_intent=shapes.text, status=shapes.text,
    created=shapes.span, **PAGE,
)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/checkout/sessions/list"""
    return page(
        call, "checkout.session", "/v1/checkout/sessions", matches(call, "customer", "payment_intent", "status"),
    )


@endpoint("POST", "/v1/checkout/sessions/{}/expire")
def expire(call: Call) -> Object:
    """https://docs.stripe.com/api/checkout/sessions/expire"""
    session = call.books.find("checkout.session", call.id)
    _age(call, session)
    if session["status"] != "open":
        raise refused(f"Only Checkout Sessions with a status in [\"open\"] can be expired. This one is {session['status']}.")
    _expired(call, session)
    return session


def submit(call: Call, session: Object, card: Any, month: int | None, year: int | None) -> str:
    """The holder submits the hosted page with this card; the address to go to next. Raises Refusal for a decline."""
    _age(call, session)
    if session["status"] != "open":
        raise refused("This Checkout Session is no longer open.")
    method = make(call, card, month, year)
    back = f"{call.base_url}/c/return/{session['id']}"
    intent = _intent(call, session)
    intent["_session"] = session["id"]
    confirming = {"payment_method": method["id"], "return_url": back}
    if session["mode"] == "setup":
        setups.confirm_now(call, intent, confirming)
    else:
        intents.use(call, intent, confirming)
        intents.confirm_now(call, intent, confirming)
    if intent["status"] == "requires_action":
        return str(intent["next_action"]["redirect_to_url"]["url"])
    return finish(call, session)


def finish(call: Call, session: Object) -> str:
    """The session is complete, if its intent succeeded: where the holder is sent. `{CHECKOUT_SESSION_ID}` in the success
    address stands for the session: https://docs.stripe.com/payments/checkout/custom-success-page."""
    intent = call.books.objects[session[f"{session['mode']}_intent"]]
    if intent["status"] != "succeeded":
        return str(session["url"])
    if session["status"] == "open":
        paid = "paid" if session["mode"] == "payment" else session["payment_status"]
        session |= {"status": "complete", "payment_status": paid, "url": None}
        call.books.touch(call.change, session)
        call.emit("checkout.session.completed", session)
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _intent(call: Call, session: Object) -> Object:
    reference = session[f"{session['mode']}_intent"]
    if reference is None:
        reference = session["payment_intent"] = _new_payment(call, session)["id"]
        call.books.touch(call.change, session)
    intent = call.books.objects[reference]
    if intent["status"] == "canceled":
        raise refused("This Checkout Session is no longer open.")
    return intent


def _new_payment(call: Call, session: Object) -> Object:
    given = {name: session[name] for name in ("currency", "customer") if session[name]}
    return intents.new(call, session["_payment"] | given | {"amount": session["amount_total"]})


def _total(params: dict[str, Any]) -> tuple[int | None, str | None]:
    if params["mode"] == "setup":
        if "payment_method_types" not in params and "currency" not in params:
            raise Invalid("Missing required param: currency.", "currency", "parameter_missing")
        return None, params.get("currency")
    items = params.get("line_items")
    if not items:
        raise Invalid("Missing required param: line_items.", "line_items", "parameter_missing")
    currencies = {item["price_data"]["currency"] for item in items}
    if len(currencies) != 1:
        raise Invalid("All line items must have the same currency.", "line_items")
    return sum(item["price_data"]["unit_amount"] * item.get("quantity", 1) for item in items), currencies.pop()


def _age(call: Call, session: Object) -> None:
    if session["status"] == "open" and call.books.clock.second() >= session["expires_at"]:
        _expired(call, session)


def _expired(call: Call, session: Object) -> None:
    session |= {"status": "expired", "url": None}
    call.books.touch(call.change, session)
    call.emit("checkout.session.expired", session)
