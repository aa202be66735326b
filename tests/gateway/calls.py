"""One call of an endpoint, and the list of endpoints."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.gateway import shapes
from tests.gateway.books import Books, Change, Object
from tests.gateway.errors import Invalid

API_VERSION = "2026-10-28.endive"
LONGEST_PAGE = 100


@dataclass
class Call:
    """What an endpoint gets: the books, the change it may make, checked parameters, and the ids of its address."""

    books: Books
    change: Change
    params: dict[str, Any]
    ids: tuple[str, ...]
    base_url: str
    short_by: int = 0

    @property
    def id(self) -> str:
        """The one id of the address."""
        return self.ids[0]

    def emit(self, kind: str, thing: Object) -> None:
        """Record an event, with the object as it is now: https://docs.stripe.com/api/events/object."""
        request = {"id": self.change.request_id, "idempotency_key": self.change.key}
        event = self.books.new(self.change, "event", {
            "api_version": API_VERSION, "data": {"object": render(self.books, thing)}, "pending_webhooks": 1,
            "request": request, "type": kind,
        })
        self.change.events.append(event)

    def label(self, thing: Object) -> None:
        """https://docs.stripe.com/api/metadata: new pairs are added, an empty value removes its key."""
        pairs = thing["metadata"] | self.params.get("metadata", {})
        thing["metadata"] = {name: value for name, value in pairs.items() if value != ""}


@dataclass(frozen=True)
class Endpoint:
    """An address and what it takes."""

    method: str
    address: re.Pattern[str]
    checks: dict[str, shapes.Check]
    run: Callable[[Call], Object]


ENDPOINTS: list[Endpoint] = []


EXPANDABLE = {
    "balance_transaction", "charge", "customer", "data", "default_payment_method", "invoice_settings", "last_payment_error",
    "latest_charge", "payment_intent", "payment_method", "setup_intent", "source",
}


def expandable(param: str, value: Any) -> list[str]:
    """Paths of references, at most four levels deep: https://docs.stripe.com/api/expanding_objects."""
    paths = shapes.words(param, value)
    for path in paths:
        if not EXPANDABLE.issuperset(path.split(".")) or path.count(".") > 4:
            raise Invalid(f"This property cannot be expanded ({path}).", param)
    return paths


Run = Callable[[Call], Object]


def endpoint(method: str, path: str, **checks: shapes.Check) -> Callable[[Run], Run]:
    """Register an endpoint; `{}` in the path stands for an id, a `_` at a check's name makes it required."""
    address = re.compile(re.escape(path).replace(re.escape("{}"), "([A-Za-z0-9_]+)") + "$")

    def register(run: Run) -> Run:
        ENDPOINTS.append(Endpoint(method, address, checks | {"expand": expandable}, run))
        return run
    return register


PAGE = {"limit": shapes.whole, "starting_after": shapes.text, "ending_before": shapes.text}


def page(call: Call, kind: str, url: str, fits: Callable[[Object], bool] = lambda thing: True) -> Object:
    """https://docs.stripe.com/api/pagination: newest first, 10 at a time unless `limit` (1 to 100) says otherwise."""
    limit = _limit(call.params)
    found = [thing for thing in call.books.newest_first(kind) if fits(thing)]
    if after := call.params.get("starting_after"):
        found = found[_place(found, after, "starting_after") + 1:]
    if before := call.params.get("ending_before"):
        found = found[:_place(found, before, "ending_before")]
        return _list(url, found[-limit:], len(found) > limit)
    return _list(url, found[:limit], len(found) > limit)


def created_fits(params: dict[str, Any], thing: Object) -> bool:
    """Whether an object lies in the range `created` that the caller named, if any."""
    span = params.get("created", {})
    at = thing["created"]
    from_, to = max(span.get("gte", at), span.get("gt", at - 1) + 1), min(span.get("lte", at), span.get("lt", at + 1) - 1)
    return bool(from_ <= at <= to)


def matches(call: Call, *names: str) -> Callable[[Object], bool]:
    """A filter by equality of the parameters named, and by `created`."""
    wanted = {name: call.params[name] for name in names if name in call.params}
    return lambda thing: created_fits(call.params, thing) and all(thing[name] == each for name, each in wanted.items())


def search_page(call: Call, kind: str, url: str, found: list[Object]) -> Object:
    """https://docs.stripe.com/api/pagination/search: pages by an opaque token."""
    limit, start = _limit(call.params), int(call.params.get("page", "0"))
    data = found[start:start + limit]
    more = len(found) > start + limit
    return {
        "object": "search_result", "url": url, "has_more": more, "data": data,
        "next_page": str(start + limit) if more else None,
    }


def _limit(params: dict[str, Any]) -> int:
    limit = params.get("limit", 10)
    if not 1 <= limit <= LONGEST_PAGE:
        raise Invalid("This value must be between 1 and 100.", "limit", "parameter_invalid_integer")
    return int(limit)


def _place(found: list[Object], reference: str, param: str) -> int:
    for place, thing in enumerate(found):
        if thing["id"] == reference:
            return place
    raise Invalid(f"No such object: '{reference}'", param, "resource_missing")


def _list(url: str, data: list[Object], more: bool) -> Object:
    return {"object": "list", "url": url, "has_more": more, "data": data}


def render(books: Books, thing: Any, expand: list[str] | None = None) -> Any:
    """The object as it is sent: without private facts, with the references named in `expand` replaced by their objects
    (https://docs.stripe.com/api/expanding_objects)."""
    if isinstance(thing, list):
        return [render(books, each, expand) for each in thing]
    if not isinstance(thing, dict):
        return thing
    shown = {name: render(books, value) for name, value in thing.items() if not name.startswith("_")}
    for path in expand or []:
        name, _, rest = path.partition(".")
        if name in shown:
            shown[name] = _expanded(books, thing[name], shown[name], [rest] if rest else [])
    return shown


def _expanded(books: Books, value: Any, shown: Any, rest: list[str]) -> Any:
    if isinstance(value, str) and value in books.objects:
        return render(books, books.objects[value], rest)
    return render(books, value, rest) if rest else shown
