"""One wallet: how much, since when, how long; its refills; every movement with before and after."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.http import urlencode

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account, Area
from tollbook.errors import NotFound
from tollbook.ledger import trace
from tollbook.ledger.tables import Transfer
from tollbook.money.amount import ZERO
from tollbook.postgres.scope import rows_of
from tollbook.rating import card
from tollbook.rating.tables import CreditType
from tollbook.refills import history as refill_history
from tollbook.refills.standing import NO_RULE, Standing, standings
from tollbook.usage import statement
from tollbook.usage.pace import NO_PACE, Pace, paces
from tollbook.wallets import history
from tollbook.wallets.gauge import Gauge
from tollbook.web import arithmetic, charts, formats, sheets
from tollbook.web.charts import Chart
from tollbook.web.portal import bars, refills, words
from tollbook.web.portal.about_wallet import SIZE, event_address, event_rows, gauge_of, head, paged, signed
from tollbook.web.portal.days import DaysForm, beginning, end
from tollbook.web.portal.page import PortalRequest, page

DAYS = 30
FILE_COLUMNS = (
    "Time", "Entry", "Description", "Reference", "By", "Amount", "Balance before", "Balance after", "Held before",
    "Held after", "Currency",
)  # fmt: skip


class RecordForm(DaysForm):
    """Which movements to show."""

    kind = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Everything"),
            (history.Kind.USAGE, "Usage"),
            (history.Kind.REFILL, "Refills"),
            (history.Kind.HOLD, "Holds"),
            (history.Kind.CORRECTION, "Corrections and grants"),
        ],
        label="Show",
    )

    def filter(self, zone: str) -> history.Filter:
        """What is asked for."""
        self.is_valid()
        kind = self.cleaned_data.get("kind")
        since, until = beginning(self.first_on(), zone), end(self.last_on(), zone)
        return history.Filter(history.Kind(kind) if kind else None, since, until)


@page(area=Area.CREDITS)
def wallet(request: PortalRequest, type_code: str) -> HttpResponse:
    """The wallet's numbers, its balance over 30 days, its rule and its record."""
    account, now = request.account, datetime.now(UTC)
    gauge = gauge_of(account, type_code)
    standing, pace = _around(account, gauge, now)
    form = RecordForm(request.GET)
    found = _record(account, gauge, form.filter(account.timezone), request)
    context = (
        head(request, gauge)
        | refills.section(request, gauge)
        | {
            "wallet": bars.row(gauge, standing, {type_code: pace}, now),
            "as_of": formats.clock(now),
            "pace": _pace(pace, gauge.currency),
            "rate_row": {"rate": card.summaries(account.id, now).get(type_code)},
            "per": arithmetic.PER[CreditType.Unit(gauge.unit)],
            "standing": standing,
            "chart": _chart(account, gauge, standing, now),
            "form": form,
            "record": _shown(account, found.rows, gauge),
            "newer_url": _turned(request, "newer", found.newer),
            "older_url": _turned(request, "older", found.older),
            "file_url": _file_url(request, type_code),
            "is_filtered": any(request.GET.get(name) for name in form.fields),
            "zero_rule": words.zero_rule(account),
        }
    )
    return render(request, "tollbook/portal/credits/wallet.html", context)


@page(area=Area.CREDITS, scope=False)
def record_csv(request: PortalRequest, type_code: str) -> StreamingHttpResponse:
    """The record as it is filtered, all of it."""
    account = request.account
    with rows_of(account.id):
        gauge = gauge_of(account, type_code)
        wanted = RecordForm(request.GET).filter(account.timezone)
        lists = history.everything(account.id, gauge.wallet_id, wanted) if gauge.wallet_id else iter(())
        rows = (_cells(row, gauge.currency) for row in chain.from_iterable(lists))
        name = f"{account.slug}-{type_code}-ledger-{today_in(account)}.csv"
        return sheets.answer(request, name, FILE_COLUMNS, rows)


@page(area=Area.CREDITS)
def transfer(request: PortalRequest, type_code: str, transfer_id: UUID) -> HttpResponse:
    """One debit and the events it consists of."""
    account = request.account
    gauge = gauge_of(account, type_code)
    found = Transfer.objects.filter(account_id=account.id, id=transfer_id, wallet_id=gauge.wallet_id).first()
    if found is None or gauge.wallet_id is None:
        raise NotFound("There is no such entry in this wallet.")
    pages = paged(range(found.detail_count), request)
    events = statement.of_transfer(account.id, found.id, max(pages.start_index() - 1, 0), pages.paginator.per_page)
    before, after = found.balance_before or ZERO, found.balance_after or ZERO
    written = formats.aligned_money((before, after), gauge.currency)
    context = head(request, gauge) | {
        "transfer": found,
        "kind": words.kind(found.kind),
        "amount": signed(after - before, written),
        "before": written(before),
        "after": written(after),
        "digest": bytes(found.digest or b"").hex(),
        "events": event_rows(events, gauge),
        "page": pages,
        "sides": [
            (
                side.code,
                written(side.amount) if side.amount > 0 else "",
                written(-side.amount) if side.amount < 0 else "",
            )
            for traced in trace.caused_by(account.id, [(found.kind, found.reference)])
            for side in traced.sides
        ],
        "invoice_number": _invoice_number(request, found),
    }
    return render(request, "tollbook/portal/credits/transfer.html", context)


def _invoice_number(request: PortalRequest, transfer: Transfer) -> str:
    """The invoice of a refill, for those who may read it."""
    if transfer.kind != "refill" or not request.rights[Area.INVOICES].read:
        return ""
    return refill_history.invoice_number(request.account.id, transfer.reference)


def _around(account: Account, gauge: Gauge, now: datetime) -> tuple[Standing, Pace]:
    standing = standings(account.id).get(gauge.wallet_id, NO_RULE) if gauge.wallet_id else NO_RULE
    return standing, paces(account.id, now).get(gauge.type_code, NO_PACE)


def _pace(pace: Pace, currency: str) -> str:
    """`$3.20 an hour in the last 3 hours; $41.00 a day in the last 7 days`, whichever there was."""
    parts = []
    if pace.recent:
        parts.append(f"{formats.money(pace.recent, currency)} an hour in the last 3 hours")
    if pace.week:
        parts.append(f"{formats.money(pace.week * 24, currency)} a day in the last 7 days")
    return "; ".join(parts)


def _chart(account: Account, gauge: Gauge, standing: Standing, now: datetime) -> Chart | None:
    if gauge.wallet_id is None:
        return None
    points = history.balances(account.id, gauge.wallet_id, now - timedelta(days=DAYS), now)
    if not points:
        return None
    threshold = standing.threshold
    return charts.steps(
        _finding(points, gauge.currency),
        points,
        until=now,
        columns=("From", "Balance"),
        unit=gauge.currency,
        mark=None if threshold is None else (f"Refills at {formats.money(threshold, gauge.currency)}", threshold),
        written=lambda amount: formats.money(amount, gauge.currency),
    )


def _finding(points: list[tuple[datetime, Decimal]], currency: str) -> str:
    """`Balance now $312.40; lowest $41.20 on Nov 12, highest $541.00 on Nov 13`."""
    looked_at = points[1:] or points  # the first is what the wallet had before anything moved it, or a month ago
    lowest, highest = min(looked_at, key=lambda point: point[1]), max(looked_at, key=lambda point: point[1])
    now = formats.money(points[-1][1], currency)
    if lowest[1] == highest[1]:
        return f"Balance now {now}"
    when = _times if timezone.localdate(points[0][0]) == timezone.localdate(points[-1][0]) else _days
    low, high = (f"{formats.money(balance, currency)} {when(at)}" for at, balance in (lowest, highest))
    return f"Balance now {now}; lowest {low}, highest {high}"


def _days(at: datetime) -> str:
    return f"on {format_date(timezone.localtime(at), 'M j')}"


def _times(at: datetime) -> str:
    return f"at {format_date(timezone.localtime(at), 'H:i')}"


def _record(account: Account, gauge: Gauge, wanted: history.Filter, request: PortalRequest) -> history.Page:
    if gauge.wallet_id is None:
        return history.Page([], None, None)
    older, newer = request.GET.get("older"), request.GET.get("newer")
    return history.page(
        account.id,
        gauge.wallet_id,
        wanted,
        older_than=history.key_of(older) if older else None,
        newer_than=history.key_of(newer) if newer and not older else None,
        size=SIZE,
    )


def _shown(account: Account, rows: Sequence[history.Row], gauge: Gauge) -> list[dict[str, Any]]:
    """The record as the page prints it. A hold leads to its event, if it has become one."""
    events = statement.events_of_holds(account.id, gauge.type_code, [row.reference for row in rows if row.is_hold])
    written = formats.aligned_money((amount for row in rows for amount in (row.before, row.after)), gauge.currency)
    return [
        {
            "at": row.at,
            "kind": words.kind(row.kind),
            "about": _about(row),
            "url": _url(row, gauge.type_code, events),
            "is_hold": row.is_hold,
            "amount": signed(row.change, written),
            "before": written(row.before),
            "after": written(row.after),
        }
        for row in rows
    ]


def _about(row: history.Row) -> str:
    if row.is_hold:
        return f"for {row.reference}"
    if row.kind == "usage":
        return f"{formats.number(row.events)} event{'' if row.events == 1 else 's'}"
    return " · ".join(part for part in (row.description, row.actor and f"by {row.actor}") if part)


def _url(row: history.Row, type_code: str, events: Mapping[str, str]) -> str:
    if not row.is_hold:
        return reverse("portal:transfer", args=[type_code, row.id])
    return event_address(type_code, events[row.reference]) if row.reference in events else ""


def _turned(request: PortalRequest, direction: str, key: history.Key | None) -> str:
    if key is None:
        return ""
    kept = {name: request.GET[name] for name in RecordForm.base_fields if request.GET.get(name)}
    return f"?{urlencode(kept | {direction: str(key)})}#record"


def _file_url(request: PortalRequest, type_code: str) -> str:
    kept = {name: request.GET[name] for name in RecordForm.base_fields if request.GET.get(name)}
    address = reverse("portal:wallet-csv", args=[type_code])
    return f"{address}?{urlencode(kept)}" if kept else address


def _cells(row: history.Row, currency: str) -> Sequence[sheets.Value]:
    held = (row.before, row.after) if row.is_hold else (None, None)
    balance = (None, None) if row.is_hold else (row.before, row.after)
    change = None if row.is_hold else row.change
    told = (row.description, row.reference, row.actor)
    return (row.at, words.kind(row.kind), *told, change, *balance, *held, currency)


urls = [
    path("billing/credits/<slug:type_code>/", wallet, name="wallet"),
    path("billing/credits/<slug:type_code>/ledger.csv", record_csv, name="wallet-csv"),
    path("billing/credits/<slug:type_code>/transfers/<uuid:transfer_id>/", transfer, name="transfer"),
]
