"""Billing runs: what they did, how far they are, and what they could not finish."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse

from tollbook.accounts.tables import Account
from tollbook.invoicing import progress
from tollbook.invoicing.progress import Left, Run, Why
from tollbook.invoicing.run import CATCH_UP
from tollbook.money.amount import to_minor
from tollbook.web import formats, sheets
from tollbook.web.desk import lists
from tollbook.web.desk.page import DeskRequest, staff_page

SECTION = "invoices"
SIZE = 50
REFRESH_SECONDS = 5
CSV_COLUMNS = ("Account", "Outcome", "Count", "Amount", "Currency", "Reason")


@staff_page()
def runs(request: DeskRequest) -> HttpResponse:
    """The runs that issued something or failed, the newest first; all of them when they are asked for."""
    everything = request.GET.get("all") == "yes"
    found = progress.newest(everything, _before(request), SIZE + 1)
    shown, more = lists.first(found, SIZE)
    last = progress.newest(everything=True, limit=1)
    context = {
        "section": SECTION,
        "rows": [(one, _sums(one), _took(one)) for one in shown],
        "older": shown[-1].id if more else None,
        "newest": "before" not in request.GET,
        "everything": everything,
        "last": last[0] if last else None,
        "reviews": settings.BILLING_REVIEW,
    }
    response = render(request, "tollbook/desk/runs.html", context)
    return _live(response, any(one.finished_at is None for one in shown))


@staff_page()
def run(request: DeskRequest, id: UUID) -> HttpResponse:
    """One run: how far it is, what it issued, whom it left with something; anew every few seconds until it is done."""
    found, left = progress.find(id), progress.left(id)
    by_slug = _accounts(left)
    context = {
        "section": SECTION,
        "run": found,
        "sums": _sums(found),
        "took": _took(found),
        "left": [(by_slug.get(one.slug), one, _says(one, by_slug.get(one.slug))) for one in left],
        "invoices_url": _invoices_of(found),
    }
    return _live(render(request, "tollbook/desk/run.html", context), found.finished_at is None)


@staff_page()
def run_csv(request: DeskRequest, id: UUID) -> HttpResponseBase:
    """The report: what was issued, by currency, and every account that was left with something."""
    found = progress.find(id)
    filename = f"billing-run-{found.started_at:%Y-%m-%d-%H%M}.csv"
    return sheets.answer(request, filename, CSV_COLUMNS, _cells(found))


def _cells(run: Run) -> Iterator[tuple[sheets.Value, ...]]:
    yield "", "Accounts billed", run.done, None, "", ""
    yield "", "Accounts to do", run.to_do, None, "", ""
    yield "", "Invoices issued", run.invoices, None, "", ""
    for currency, total in run.totals.items():
        yield "", "Issued", None, to_minor(total, currency), currency, ""
    left = progress.left(run.id)
    by_slug = _accounts(left)
    for one in left:
        currency = by_slug[one.slug].currency if one.amount is not None and one.slug in by_slug else ""
        amount = to_minor(one.amount, currency) if one.amount is not None and currency else one.amount
        yield one.slug, one.why.label, one.count or None, amount, currency, one.reason


def _accounts(left: Sequence[Left]) -> dict[str, Account]:
    return {account.slug: account for account in Account.objects.filter(slug__in=[one.slug for one in left])}


def _says(one: Left, account: Account | None) -> str:
    match one.why:
        case Why.FAILED:
            return one.reason
        case Why.TOO_OLD:
            return (
                f"{one.count} {'period has' if one.count == 1 else 'periods have'} no invoice and began more than "
                f"{CATCH_UP} months ago; “tollbook bill --until” with its day issues it (and --issue, "
                "where billing waits for review)."
            )
        case Why.WAITING:
            amount = formats.money(one.amount, account.currency) if account else f"{one.amount}"
            return f"{amount} is taken off the next invoice that is large enough."


def _sums(run: Run) -> list[str]:
    return [formats.money(to_minor(total, currency), currency) for currency, total in run.totals.items()]


def _took(run: Run) -> str:
    if run.took is None:
        return ""
    seconds = int(run.took.total_seconds())
    return formats.duration(seconds) if seconds else "under 1 s"


def _invoices_of(run: Run) -> str:
    """The invoices of the run's days, of which its own are most."""
    until = run.finished_at or run.moved_at or run.started_at
    return f"{reverse('desk:invoices')}?since={run.started_at:%Y-%m-%d}&until={until:%Y-%m-%d}"


def _live(response: HttpResponse, moves: bool) -> HttpResponse:
    if moves:
        response["Refresh"] = str(REFRESH_SECONDS)
    return response


def _before(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("before", ""))
    except ValueError:
        return None


urls = [
    path("billing-runs/", runs, name="billing-runs"),
    path("billing-runs/<uuid:id>/", run, name="billing-run"),
    path("billing-runs/<uuid:id>.csv", run_csv, name="billing-run-csv"),
]
