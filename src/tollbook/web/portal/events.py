"""The single calls and messages of one credit type: found by day, number or id, and opened to their arithmetic."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import chain

from django import forms
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.errors import NotFound
from tollbook.postgres.scope import rows_of
from tollbook.usage import statement
from tollbook.usage.statement import Filter, Used
from tollbook.wallets.gauge import Gauge
from tollbook.web import arithmetic, sheets
from tollbook.web.portal import words
from tollbook.web.portal.about_wallet import event_address, event_rows, gauge_of, head
from tollbook.web.portal.days import DaysForm, beginning, end
from tollbook.web.portal.page import PortalRequest, page

SIZE = 50
SEARCHED_DAYS = 92
"""How far back a number is looked for when no day is given; an id is found however old it is."""

SEARCHABLE_FROM = date(2000, 1, 1)
FILE_COLUMNS = (
    "Id", "Type", "Occurred", "Received", "From", "To", "Quantity", "Unit", "Billed quantity", "Rate (cents)",
    "Connection fee", "Cost", "Currency", "Ledger entry",
)  # fmt: skip


class EventsForm(DaysForm):
    """Which events to show."""

    text = forms.CharField(required=False, label="Number or event id", strip=True, max_length=200)

    def filter(self, type_code: str, account: Account) -> Filter:
        """What is asked for. Who looks for a number without naming a day looks in the last three months."""
        self.is_valid()
        text, first_on, last_on = self.cleaned_data.get("text", ""), self.first_on(), self.last_on()
        if text and first_on is None:
            first_on = max(last_on or today_in(account), SEARCHABLE_FROM) - timedelta(days=SEARCHED_DAYS)
        zone = account.timezone
        return Filter(type_code, since=beginning(first_on, zone), until=end(last_on, zone), text=text)


@page(area=Area.CREDITS)
def events(request: PortalRequest, type_code: str) -> HttpResponse:
    """The events of a type, newest first. Somebody who typed an event's id is taken to it."""
    account = request.account
    gauge = gauge_of(account, type_code)
    form = EventsForm(request.GET)
    wanted = form.filter(type_code, account)
    if wanted.text and _is_id(account, wanted):
        return HttpResponseRedirect(event_address(type_code, wanted.text))
    older, newer = request.GET.get("older"), request.GET.get("newer")
    found = statement.page(
        account.id,
        wanted,
        older_than=statement.key_of(older) if older else None,
        newer_than=statement.key_of(newer) if newer and not older else None,
        size=SIZE,
    )
    context = head(request, gauge) | {
        "form": form,
        "events": event_rows(found.rows, gauge),
        "newer_url": _turned(request, "newer", found.newer),
        "older_url": _turned(request, "older", found.older),
        "file_url": f"{reverse('portal:events-csv', args=[type_code])}?{urlencode(_kept(request))}",
        "is_filtered": bool(_kept(request)),
    }
    return render(request, "tollbook/portal/credits/events.html", context)


@page(area=Area.CREDITS, scope=False)
def events_csv(request: PortalRequest, type_code: str) -> StreamingHttpResponse:
    """The events as they are filtered, all of them."""
    account = request.account
    with rows_of(account.id):
        gauge = gauge_of(account, type_code)
        lists = statement.everything(account.id, EventsForm(request.GET).filter(type_code, account))
        rows = (_cells(used, gauge) for used in chain.from_iterable(lists))
        name = f"{account.slug}-{type_code}-events-{today_in(account)}.csv"
        return sheets.answer(request, name, FILE_COLUMNS, rows)


@page(area=Area.CREDITS)
def event(request: PortalRequest, type_code: str) -> HttpResponse:
    """One event: the sentence that explains its cost, what its sender told, where it stands in the ledger."""
    account = request.account
    gauge = gauge_of(account, type_code)
    if not request.GET.get("id"):
        return HttpResponseRedirect(reverse("portal:events", args=[type_code]))
    opened = statement.event(account.id, request.GET["id"])
    if opened.used.type_code != type_code:
        raise NotFound("There is no such event of this type.")
    used = opened.used
    context = head(request, gauge) | {
        "opened": opened,
        "used": used,
        "sentence": words.arithmetic_of(opened, gauge.currency),
        "quantity": words.quantity(used.quantity, gauge.unit),
        "billed": words.quantity(used.billed, gauge.unit),
        "rate": arithmetic.rate(used.rate_cents, gauge.unit, gauge.currency),
        "steps": arithmetic.steps(opened.terms),
        "destination": f"+{opened.terms.prefix}" if opened.terms.prefix else "any destination",
        "same": opened.recomputed == used.cost,
        "corrections": [
            (one, event_address(type_code, one.event_id if one.reverses_id == used.id else one.reverses_id))
            for one in opened.corrections
            if used.id in (one.event_id, one.reverses_id)
        ],
        "attributes": [(name, _plain(value)) for name, value in sorted(opened.attributes.items())],
        "digest": bytes(opened.transfer.digest).hex() if opened.transfer and opened.transfer.digest else "",
    }
    return render(request, "tollbook/portal/credits/event.html", context)


def _is_id(account: Account, wanted: Filter) -> bool:
    try:
        return statement.event(account.id, wanted.text).used.type_code == wanted.type_code
    except NotFound:
        return False


def _kept(request: PortalRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in EventsForm.base_fields if request.GET.get(name)}


def _turned(request: PortalRequest, direction: str, key: statement.Key | None) -> str:
    return "" if key is None else f"?{urlencode(_kept(request) | {direction: str(key)})}"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cells(used: Used, gauge: Gauge) -> Sequence[sheets.Value]:
    when, who = (used.occurred_at, used.received_at), (used.sender, used.to)
    priced = (used.billed, used.rate_cents, used.connect_fee, used.cost, gauge.currency)
    return (used.id, used.type_code, *when, *who, used.quantity, gauge.unit, *priced, str(used.transfer_id or ""))


urls = [
    path("billing/credits/<slug:type_code>/events/", events, name="events"),
    path("billing/credits/<slug:type_code>/events.csv", events_csv, name="events-csv"),
    path("billing/credits/<slug:type_code>/event/", event, name="event"),
]
