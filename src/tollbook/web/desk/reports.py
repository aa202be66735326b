"""What finance reads: prepaid credit rolled forward, deferred revenue by day, aging, the journal; each with its file."""

from datetime import UTC, date, datetime
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound
from tollbook.rating.tables import CreditType
from tollbook.reports import chart, journal, layouts
from tollbook.reports.aging import BUCKETS, Aging, aging
from tollbook.reports.days import Days, last_month
from tollbook.reports.revenue import Revenue, revenue
from tollbook.reports.rollforward import Rollforward, rollforward
from tollbook.web import formats, sheets
from tollbook.web.desk import lists
from tollbook.web.desk.fields import DayField
from tollbook.web.desk.page import DeskRequest, staff_page

SECTION = "reports"
SHORT = 100
LAYOUTS = {
    "entries": "Every entry, six places",
    "days": "A journal a day, in cents",
    "quickbooks": "A journal a day for QuickBooks",
    "xero": "A journal a day for Xero",
}
BY_DAY = {"days": layouts.of_journals, "quickbooks": layouts.of_quickbooks, "xero": layouts.of_xero}
PURSES = {"paid": "Bought credit", "granted": "Granted credit"}
MOVES = {
    "opening": "Opening", "topped_up": "Top-ups", "granted": "Granted", "used": "Usage", "refunded": "Refunds",
    "expired": "Expired", "adjusted": "Adjusted", "other": "Other", "closing": "Closing",
}  # fmt: skip
DAY_COLUMNS = {
    "opening": "Opening", "deferred": "Deferred", "credited": "Credited", "earned": "Earned", "other": "Other",
    "closing": "Closing", "revenue": "All revenue",
}  # fmt: skip


class AccountForm(forms.Form):
    """Whose figures: all accounts', or one's."""

    account = forms.CharField(max_length=63, required=False, help_text="Short name; empty for all.")

    def clean_account(self) -> Account | None:
        """The account itself."""
        slug = self.cleaned_data["account"].strip()
        try:
            return accounts.by_slug(slug) if slug else None
        except NotFound as unknown:
            raise forms.ValidationError(unknown.message) from None


class PeriodForm(AccountForm):
    """Which days."""

    since = DayField(label="From")
    until = DayField(label="To, included")
    field_order = ["since", "until", "account"]

    def clean(self) -> dict[str, Any]:
        """The days as one."""
        if {"since", "until"} <= self.cleaned_data.keys():
            try:
                self.cleaned_data["days"] = Days(self.cleaned_data["since"], self.cleaned_data["until"])
            except Invalid as wrong:
                raise forms.ValidationError(wrong.message) from None
        return self.cleaned_data


class DayForm(AccountForm):
    """At the end of which day."""

    day = DayField(label="At the end of")
    field_order = ["day", "account"]


class JournalForm(PeriodForm):
    """Which days, for whom."""

    layout = forms.ChoiceField(choices=list(LAYOUTS.items()))
    field_order = ["since", "until", "layout", "account"]


@staff_page()
def reports(request: DeskRequest) -> HttpResponse:
    """What there is to read."""
    return render(request, "tollbook/desk/reports/index.html", {"section": SECTION, "days": last_month(_today())})


@staff_page()
def credit(request: DeskRequest) -> HttpResponse:
    """Prepaid credit, rolled forward."""
    form = _period(request, PeriodForm)
    context: dict[str, Any] = {"section": SECTION, "form": form}
    if form.is_valid():
        report = rollforward(form.cleaned_data["days"], _id(form))
        context |= {"report": report, "parts": list(_parts(report)), "columns": list(MOVES.values())}
    return render(request, "tollbook/desk/reports/credit.html", context, status=_status(form))


@staff_page()
def credit_csv(request: DeskRequest) -> HttpResponseBase:
    """The same as a file, account by account."""
    form = _complete(_period(request, PeriodForm))
    report = rollforward(form.cleaned_data["days"], _id(form), by_account=True)
    return _file(request, "prepaid-credit", form, layouts.of_rollforward(report))


@staff_page()
def deferred(request: DeskRequest) -> HttpResponse:
    """Deferred and recognised revenue, day by day."""
    form = _period(request, PeriodForm)
    context: dict[str, Any] = {"section": SECTION, "form": form, "columns": list(DAY_COLUMNS.values())}
    if form.is_valid():
        report = revenue(form.cleaned_data["days"], _id(form))
        context |= {"report": report, "parts": list(_days(report)), "months": report.months}
    return render(request, "tollbook/desk/reports/revenue.html", context, status=_status(form))


@staff_page()
def deferred_csv(request: DeskRequest) -> HttpResponseBase:
    """The same as a file."""
    form = _complete(_period(request, PeriodForm))
    return _file(request, "revenue", form, layouts.of_revenue(revenue(form.cleaned_data["days"], _id(form))))


@staff_page()
def aged(request: DeskRequest) -> HttpResponse:
    """What was owed at the end of a day, by account and by how long it had been due."""
    form = _day(request)
    context: dict[str, Any] = {"section": SECTION, "form": form, "buckets": BUCKETS}
    if form.is_valid():
        report = aging(form.cleaned_data["day"], _id(form))
        owing, more = lists.first(sorted(report.accounts(), key=lambda one: (-one.total, one.slug)), SHORT)
        context |= {"report": report, "owing": owing, "more": more, "credit": _credit(report)}
        context["invoices"] = report.invoices[:SHORT] if form.cleaned_data["account"] else []
    return render(request, "tollbook/desk/reports/aging.html", context, status=_status(form))


@staff_page()
def aged_csv(request: DeskRequest) -> HttpResponseBase:
    """The same as a file, invoice by invoice."""
    form = _complete(_day(request))
    report = aging(form.cleaned_data["day"], _id(form))
    name = f"aging-{report.day}.csv"
    header, rows = layouts.of_aging(report)
    return sheets.answer(request, name, header, rows)


@staff_page()
def journals(request: DeskRequest) -> HttpResponse:
    """The journals of a period, as an accounting program would have them; and the files."""
    form = _period(request, JournalForm, layout="days")
    context: dict[str, Any] = {"section": SECTION, "form": form}
    if form.is_valid():
        found = journal.journals(form.cleaned_data["days"], chart.chosen(settings.CHART), _id(form))
        context |= {"found": found[-31:], "count": len(found)}
    return render(request, "tollbook/desk/reports/journal.html", context, status=_status(form))


@staff_page()
def journal_csv(request: DeskRequest) -> HttpResponseBase:
    """The journal as a file, in the layout that was chosen."""
    form = _complete(_period(request, JournalForm, layout="days"))
    layout, days = form.cleaned_data["layout"], form.cleaned_data["days"]
    if layout == "entries":
        return _file(request, "journal-entries", form, layouts.of_entries(journal.entries(days, _id(form))))
    found = journal.journals(days, chart.chosen(settings.CHART), _id(form))
    if layout == "xero" and len({one.currency for one in found}) > 1:
        raise Invalid("Xero's manual journals have one currency; choose an account.", field="account")
    return _file(request, f"journal-{layout}", form, BY_DAY[layout](found))


def _today() -> date:
    return datetime.now(UTC).date()


def _period(request: HttpRequest, kind: type[PeriodForm], **usual: str) -> PeriodForm:
    """The form as asked for; last month when nothing was asked."""
    days = last_month(_today())
    begun = {"since": days.since.isoformat(), "until": days.until.isoformat()} | usual
    return kind(begun | request.GET.dict())


def _day(request: HttpRequest) -> DayForm:
    return DayForm({"day": _today().isoformat()} | request.GET.dict())


def _id(form: forms.Form) -> Any:
    account = form.cleaned_data["account"]
    return account.id if account else None


def _status(form: forms.Form) -> int:
    return 200 if form.is_valid() else 400


def _complete(form: Any) -> Any:
    if not form.is_valid():
        raise Invalid("These days or this account can't be reported; open the page and choose again.")
    return form


def _file(request: HttpRequest, name: str, form: Any, content: layouts.File) -> HttpResponseBase:
    days = form.cleaned_data["days"]
    return sheets.answer(request, f"{name}-{days.since}-{days.until}.csv", *content)


def _parts(report: Rollforward) -> Any:
    """A table for each currency and purse: its name, rows of written figures, their total."""
    names = dict(CreditType.objects.values_list("code", "name"))
    for (currency, purse), total in sorted(report.totals().items(), key=lambda one: (one[0][0], one[0][1] != "paid")):
        rows = [row for row in report.rows if (row.currency, row.purse) == (currency, purse)]
        every = [_figures(row.moves, MOVES) for row in rows] + [_figures(total, MOVES)]
        write = formats.aligned_money([figure for figures in every for figure in figures], currency)
        listed = [(names.get(row.type_code, row.type_code), _written(row.moves, MOVES, write)) for row in rows]
        yield PURSES[purse], currency, listed, _written(total, MOVES, write)


def _days(report: Revenue) -> Any:
    """A table for each currency: rows of written figures by day, their total."""
    for total in report.totals():
        rows = [row for row in report.rows if row.currency == total.currency]
        write = formats.aligned_money([figure for row in rows for figure in _figures(row, DAY_COLUMNS)], total.currency)
        listed = [(row.day, _written(row, DAY_COLUMNS, write)) for row in rows]
        yield total.currency, listed, _written(total, DAY_COLUMNS, write)


def _figures(row: Any, columns: dict[str, str]) -> list[Any]:
    return [getattr(row, name) for name in columns]


def _written(row: Any, columns: dict[str, str], write: Any) -> list[tuple[str, str]]:
    return [(label, write(getattr(row, name))) for name, label in columns.items()]


def _credit(report: Aging) -> list[str]:
    return [formats.money(amount, currency) for currency, amount in sorted(report.credit.items())]



urls = [
    path("reports/", reports, name="reports"),
    path("reports/credit/", credit, name="report-credit"),
    path("reports/credit.csv", credit_csv, name="report-credit-csv"),
    path("reports/revenue/", deferred, name="report-revenue"),
    path("reports/revenue.csv", deferred_csv, name="report-revenue-csv"),
    path("reports/aging/", aged, name="report-aging"),
    path("reports/aging.csv", aged_csv, name="report-aging-csv"),
    path("reports/journal/", journals, name="report-journal"),
    path("reports/journal.csv", journal_csv, name="report-journal-csv"),
]
