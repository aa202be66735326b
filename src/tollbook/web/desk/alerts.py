"""Alerts of the operator, and those of accounts that support is asked about: endpoints and the delivery log."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account
from tollbook.alerts.tables import Delivery, Endpoint, Recipient
from tollbook.errors import NotFound
from tollbook.web import alerts
from tollbook.web.alerts import Door
from tollbook.web.desk.page import DeskRequest, staff_page

MOST = 100
Shared = Callable[..., HttpResponse]


def _page(shared: Shared, methods: str = "GET", of: type[Model] | None = None) -> Callable[..., Any]:
    """A page of the operator's own alerts; about one thing (`of`), of whichever account it is."""

    @staff_page(methods)
    def view(request: DeskRequest, **parts: Any) -> HttpResponse:
        account = _account_of(of, parts["id"]) if of else None
        door = Door("desk", account.id if account else OPERATOR_ID, account, request.actor)
        return shared(request, door, **parts)

    return view


def _account_of(of: type[Model], id: UUID) -> Account | None:
    """Whose thing this is; None for the operator's own. Raises NotFound."""
    by_id: dict[UUID, Account | None] = {OPERATOR_ID: None} | {one.id: one for one in Account.objects.all()}
    found = of._default_manager.filter(account_id__in=list(by_id), id=id).values_list("account_id", flat=True).first()
    if found is None:
        raise NotFound("There is no such thing.")
    return by_id[found]


def _overview(request: HttpRequest, door: Door) -> HttpResponse:
    """The operator's alerts, and every account's endpoints, those that are off first."""
    accounts = list(Account.objects.values_list("id", flat=True))
    others = Endpoint.objects.filter(account_id__in=accounts, removed_at__isnull=True).order_by("is_on", "account_id", "id")
    return alerts.overview(request, door, others[:MOST])


def _log(request: HttpRequest, door: Door) -> HttpResponse:
    """The operator's own log, or that of the account which the address names."""
    account = Account.objects.filter(slug=request.GET.get("account", "")).first()
    if account is not None:
        door = Door(door.name, account.id, account, door.actor)
    return alerts.deliveries(request, door)


BOTH = "GET POST"
urls = [
    path("alerts/", _page(_overview), name="alerts"),
    path("alerts/addresses/new/", _page(alerts.address_new, BOTH), name="alert-address-new"),
    path("alerts/addresses/<uuid:id>/", _page(alerts.address, BOTH, Recipient), name="alert-address"),
    path("alerts/addresses/<uuid:id>/remove/", _page(alerts.address_remove, BOTH, Recipient), name="alert-address-remove"),
    path("alerts/webhooks/new/", _page(alerts.hook_new, BOTH), name="hook-new"),
    path("alerts/webhooks/<uuid:id>/", _page(alerts.hook, of=Endpoint), name="hook"),
    path("alerts/webhooks/<uuid:id>/change/", _page(alerts.hook_change, BOTH, Endpoint), name="hook-change"),
    path("alerts/webhooks/<uuid:id>/test/", _page(alerts.hook_test, "POST", Endpoint), name="hook-test"),
    path("alerts/webhooks/<uuid:id>/rotate/", _page(alerts.hook_rotate, BOTH, Endpoint), name="hook-rotate"),
    path("alerts/webhooks/<uuid:id>/switch/", _page(alerts.hook_switch, BOTH, Endpoint), name="hook-switch"),
    path("alerts/webhooks/<uuid:id>/missed/", _page(alerts.hook_missed, BOTH, Endpoint), name="hook-missed"),
    path("alerts/webhooks/<uuid:id>/remove/", _page(alerts.hook_remove, BOTH, Endpoint), name="hook-remove"),
    path("alerts/log/", _page(_log), name="deliveries"),
    path("alerts/log/<uuid:id>/", _page(alerts.delivery, of=Delivery), name="delivery"),
    path("alerts/log/<uuid:id>/again/", _page(alerts.delivery_again, "POST", Delivery), name="delivery-again"),
]
