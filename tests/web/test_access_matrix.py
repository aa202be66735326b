"""Every address × who asks × own or another account's: what the answer must be follows from what the page declares.

Generated from the URL configurations: an address that declares nothing fails here, and so does one with a part that
`PARTS` does not know. Which rules there are, `Declared` says; that a page declares the right one, its own tests say.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests import rows
from tests.people import People, grant, people, person
from tests.refills.shop import gateway_is
from tollbook.accounts import access
from tollbook.accounts.level import at_least
from tollbook.accounts.tables import AccessGrant, Account, Area, Level, User
from tollbook.postgres.ids import new_id
from tollbook.web.declared import Declared

# Before signing in; every other address must declare who may open it.
PUBLIC = {
    "account_login", "account_logout", "account_inactive", "account_change_password", "account_reset_password",
    "account_reset_password_done", "account_reset_password_from_key", "account_reset_password_from_key_done", "brand",
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """Two accounts with a row in every table, and everybody who might ask."""

    them: People
    ids: dict[UUID, UUID]
    askers: dict[str, User | None]


@dataclass(frozen=True)
class Route:
    """One address: its template (`/users/<uuid:id>/`), name and view."""

    template: str
    name: str
    view: Callable[..., HttpResponse]

    @property
    def declared(self) -> Declared | None:
        return getattr(self.view, "declared", None)

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Kind and name of every part that varies."""
        return [(kind or "str", name) for kind, name in re.findall(r"<(?:(\w+):)?(\w+)>", self.template)]

    def path(self, world: World, account: Account) -> str:
        """The address of the account's own thing."""
        path = re.sub(
            r"<(?:(\w+):)?(\w+)>", lambda part: value(world, account, part[1] or "str", part[2]), self.template
        )
        return path + QUERIES.get(self.name, "").format(slug=account.slug)

    @property
    def names_a_thing(self) -> bool:
        """Whether another account's thing could be asked for at all."""
        return any(kind == "uuid" or name in rows.OF_THE_ACCOUNT for kind, name in self.parts)


# Parts that are neither ids nor numbers: the same in every account.
PARTS = {"type_code": "sms", "code": "x"}
QUERIES = {"event-reverse": "?id=X-{slug}", "simulated-gateway": "?return=http://testserver/billing/payment-methods/"}
"""What else a page must be told: an event's id may hold any sign, so it stands in no path; and where it leads back to."""


def value(world: World, account: Account, kind: str, name: str) -> str:
    """What stands in a part of an address for the account's thing."""
    if kind == "uuid":
        return str(world.ids[account.id])
    if name == "slug":
        return account.slug
    if name in rows.OF_THE_ACCOUNT:
        return f"X-{account.slug}"
    return PARTS[name]


def routes(patterns: list, before: str = "/") -> Iterator[Route]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield Route(before + str(pattern.pattern), pattern.name or "", pattern.callback)
            if not isinstance(pattern.pattern, RoutePattern) and pattern.name not in PUBLIC:
                raise AssertionError(f"{pattern.pattern} is a regular expression; write a path")


ALL = list(routes(get_resolver().url_patterns))
PORTAL = [route for route in ALL if route.declared and route.declared.door == "portal"]
DESK = [route for route in ALL if route.declared and route.declared.door == "desk"]


@pytest.fixture
def world(db, static_files) -> Iterator[World]:
    with gateway_is():  # where no gateway takes cards, their pages are not there for anybody
        yield filled()


def filled() -> World:
    them = people()
    ids = {account.id: new_id() for account in (them.northwind, them.contoso)}
    for account in (them.northwind, them.contoso):
        rows.fill(account, ids[account.id], without="usage_archive")  # its rows stand for files
    AccessGrant.objects.all().delete()
    askers: dict[str, User | None] = {
        "anonymous": None, "Super-Admin": them.owner, "Admin": them.admin, "Manager": them.manager,
        "Agent": them.agent, "Staff": them.staff,
    }  # fmt: skip
    for area in Area:
        for letters in ("r", "rw"):
            admin = askers[f"Admin {area} {letters}"] = person(them.northwind, f"{area}-{letters}", Level.ADMIN)
            grant(them.owner, admin, **{area: letters})
    agent = askers["Agent with everything"] = person(them.northwind, "agent-all", Level.AGENT)
    grant(them.owner, agent, **dict.fromkeys(Area, "rw"))
    return World(them, ids, askers)


def test_every_address_declares_who_may_open_it() -> None:
    silent = [route.template for route in ALL if route.declared is None and route.name not in PUBLIC]
    assert silent == [], "wrap the view in @page or @staff_page, or add its name to PUBLIC with a reason"
    assert len(PORTAL) > 10 and len(DESK) > 10


def test_every_part_of_an_address_is_known_here() -> None:
    unknown = {
        name for route in PORTAL for kind, name in route.parts
        if kind != "uuid" and name not in PARTS and name not in rows.OF_THE_ACCOUNT
    }  # fmt: skip
    assert unknown == set(), "say in PARTS (the same in every account) or rows.OF_THE_ACCOUNT what stands there"


def expected(declared: Declared, asker: User | None, method: str, foreign: bool) -> str:
    """The rule, in one place."""
    if asker is None:
        return "to sign in"
    if asker.level == Level.STAFF:
        return "to the desk"
    level = declared.level_for(method)
    if level and not at_least(asker, level):
        return "403"
    held = [access.rights(asker)[area] for area in declared.areas]
    if held and not any(right.write if declared.needs_write(method) else right.read for right in held):
        return "403"
    return "404" if foreign else "in"


def answered(response: HttpResponse) -> str:
    """The answer in the words of `expected`."""
    if response.status_code == 302 and response["Location"].startswith("/sign-in/?next="):
        return "to sign in"
    if response.status_code == 302 and response["Location"] == "/desk/":
        return "to the desk"
    return "in" if response.status_code in (200, 302, 400, 409) else str(response.status_code)


def ask(asker: User | None, method: str, path: str) -> str:
    client = Client(raise_request_exception=True)
    if asker is not None:
        client.force_login(asker)
    response = client.generic(method, path)
    response.close()
    return answered(response)


@pytest.mark.parametrize("route", PORTAL, ids=lambda route: route.template)
def test_the_portal_lets_in_whom_the_page_declares(world: World, route: Route) -> None:
    own, foreign = (route.path(world, account) for account in (world.them.northwind, world.them.contoso))
    found, wanted = {}, {}
    for method in route.declared.methods:
        for who, asker in world.askers.items():
            for whose, path in {"own": own, "foreign": foreign}.items():
                if whose == "own" or route.names_a_thing:
                    case = (method, path, who, whose)
                    wanted[case] = expected(route.declared, asker, method, whose == "foreign")
                    found[case] = ask(asker, method, path)
    assert found == wanted


@pytest.mark.parametrize("route", PORTAL, ids=lambda route: route.template)
def test_a_method_that_is_not_declared_is_not_answered(world: World, route: Route) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(route.declared.methods):
        assert ask(world.them.owner, method, route.path(world, world.them.northwind)) == "405", method


@pytest.mark.parametrize("route", DESK, ids=lambda route: route.template)
def test_the_desk_lets_in_staff_only(world: World, route: Route) -> None:
    path = route.path(world, world.them.northwind)
    for method in sorted(route.declared.methods):  # POST last: it may take away what the path names
        for who, asker in world.askers.items():
            wanted = "to sign in" if asker is None else "in" if asker.level == Level.STAFF else "403"
            assert ask(asker, method, path) == wanted, (method, path, who)


def test_an_address_that_does_not_exist_is_not_found_by_anybody(world: World) -> None:
    for asker in world.askers.values():
        assert ask(asker, "GET", "/billing/nothing/") == "404"
        assert ask(asker, "GET", f"/users/{new_id()}/nothing/") == "404"


def test_an_id_that_is_nobodys_is_not_found(world: World) -> None:
    assert ask(world.them.owner, "GET", f"/users/{new_id()}/") == "404"
