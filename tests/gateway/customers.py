"""Customers: https://docs.stripe.com/api/customers."""

from tests.gateway import shapes
from tests.gateway.books import Object
from tests.gateway.calls import PAGE, Call, endpoint, matches, page, search_page
from tests.gateway.search import Query

FIELDS = {
    "name": shapes.text, "email": shapes.text, "description": shapes.text, "phone": shapes.text,
    "metadata": shapes.metadata, "address": shapes.anything, "preferred_locales": shapes.words,
    "invoice_settings": shapes.table(default_payment_method=shapes.text),
}


@endpoint("POST", "/v1/customers", **FIELDS)
def create(call: Call) -> Object:
    """https://docs.stripe.com/api/customers/create"""
    customer = call.books.new(call.change, "customer", {
        "name": None, "email": None, "description": None, "phone": None, "metadata": {}, "address": None, "balance": 0,
        "currency": None, "default_source": None, "delinquent": False, "discount": None, "shipping": None,
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        "preferred_locales": [], "tax_exempt": "none",
    })
    _set(call, customer)
    call.emit("customer.created", customer)
    return customer


@endpoint("POST", "/v1/customers/{}", **FIELDS)
def update(call: Call) -> Object:
    """https://docs.stripe.com/api/customers/update"""
    customer = call.books.find("customer", call.id)
    _set(call, customer)
    call.books.touch(call.change, customer)
    call.emit("customer.updated", customer)
    return customer


@endpoint("GET", "/v1/customers/{}")
def retrieve(call: Call) -> Object:
    """https://docs.stripe.com/api/customers/retrieve"""
    return call.books.find("customer", call.id)


@endpoint("DELETE", "/v1/customers/{}")
def delete(call: Call) -> Object:
    """https://docs.stripe.com/api/customers/delete: what remains is `deleted`; its methods are detached."""
    customer = call.books.find("customer", call.id)
    for method in call.books.newest_first("payment_method"):
        if method["customer"] == customer["id"]:
            method["customer"], method["_spent"] = None, True
            call.books.touch(call.change, method)
    call.emit("customer.deleted", customer)
    customer["_deleted"] = True
    call.books.touch(call.change, customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


@endpoint("GET", "/v1/customers", email=shapes.text, created=shapes.span, **PAGE)
def list_all(call: Call) -> Object:
    """https://docs.stripe.com/api/customers/list"""
    return page(call, "customer", "/v1/customers", matches(call, "email"))


@endpoint("GET", "/v1/customers/search", query_=shapes.text, limit=shapes.whole, page=shapes.text)
def search(call: Call) -> Object:
    """https://docs.stripe.com/api/customers/search"""
    query = Query("customer", call.params["query"])
    found = [each for each in call.books.seen_by_search("customer", query.label()) if query.fits(each)]
    return search_page(call, "customer", "/v1/customers/search", found)


def _set(call: Call, customer: Object) -> None:
    for name, value in call.params.items():
        if name == "invoice_settings":
            customer[name] = customer[name] | value
        elif name not in ("metadata", "expand"):
            customer[name] = value
    call.label(customer)
