"""Alerts of the account, for its admins: who gets which mail, when a wallet is called low, webhook endpoints, the log."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Area, Level
from tollbook.errors import NotFound
from tollbook.web import alerts
from tollbook.web.alerts import Door
from tollbook.web.portal.about_wallet import gauge_of
from tollbook.web.portal.page import PortalRequest, page

Shared = Callable[..., HttpResponse]


def _door(request: PortalRequest) -> Door:
    held = request.rights
    readable = frozenset(area for area in Area if held[area].read)
    may_write, may_set_levels = held[Area.PAYMENTS].write, held[Area.CREDITS].write
    return Door(
        "portal", request.account.id, request.account, actor_of(request.user), may_write, readable, may_set_levels
    )


def _page(
    shared: Shared, methods: str = "GET", write: bool = False, area: Area = Area.PAYMENTS
) -> Callable[..., Any]:
    """A page of the account's admins who may read (with `write`, or for other methods: change) this area."""

    @page(area=area, level=Level.ADMIN, write=write, methods=methods)
    def view(request: PortalRequest, **parts: Any) -> HttpResponse:
        return shared(request, _door(request), **parts)

    return view


def _levels(request: HttpRequest, door: Door, type_code: str) -> HttpResponse:
    gauge = gauge_of(door.account, type_code)  # type: ignore[arg-type]
    if gauge.wallet_id is None:
        raise NotFound("This account has no such wallet yet.")
    return alerts.wallet_levels(request, door, type_code, gauge.name, gauge.wallet_id)


def _user(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    return alerts.person(request, door, id)


BOTH = "GET POST"
AT = "billing/alerts/"
urls = [
    path(AT, _page(alerts.overview), name="alerts"),
    path(f"{AT}users/<uuid:id>/", _page(_user, BOTH, write=True), name="alert-user"),
    path(f"{AT}addresses/new/", _page(alerts.address_new, BOTH, write=True), name="alert-address-new"),
    path(f"{AT}addresses/<uuid:id>/", _page(alerts.address, BOTH, write=True), name="alert-address"),
    path(f"{AT}addresses/<uuid:id>/remove/", _page(alerts.address_remove, BOTH, write=True), name="alert-address-remove"),
    path(f"{AT}levels/<slug:type_code>/", _page(_levels, BOTH, write=True, area=Area.CREDITS), name="alert-levels"),
    path(f"{AT}webhooks/new/", _page(alerts.hook_new, BOTH, write=True), name="hook-new"),
    path(f"{AT}webhooks/<uuid:id>/", _page(alerts.hook), name="hook"),
    path(f"{AT}webhooks/<uuid:id>/change/", _page(alerts.hook_change, BOTH, write=True), name="hook-change"),
    path(f"{AT}webhooks/<uuid:id>/test/", _page(alerts.hook_test, "POST"), name="hook-test"),
    path(f"{AT}webhooks/<uuid:id>/rotate/", _page(alerts.hook_rotate, BOTH, write=True), name="hook-rotate"),
    path(f"{AT}webhooks/<uuid:id>/switch/", _page(alerts.hook_switch, BOTH, write=True), name="hook-switch"),
    path(f"{AT}webhooks/<uuid:id>/missed/", _page(alerts.hook_missed, BOTH, write=True), name="hook-missed"),
    path(f"{AT}webhooks/<uuid:id>/remove/", _page(alerts.hook_remove, BOTH, write=True), name="hook-remove"),
    path(f"{AT}log/", _page(alerts.deliveries), name="deliveries"),
    path(f"{AT}log/<uuid:id>/", _page(alerts.delivery), name="delivery"),
    path(f"{AT}log/<uuid:id>/again/", _page(alerts.delivery_again, "POST"), name="delivery-again"),
]
