"""Where staff begin: the search box, the accounts that need a look, the kill switch."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts.account import waiting_for_tax
from tollbook.accounts.tables import Account, User
from tollbook.invoicing.tables import DraftInvoice, DraftState, OpenBalance
from tollbook.refills.tables import OperatorSwitch
from tollbook.usage.statement import told_anywhere
from tollbook.usage.tables import UsageTold
from tollbook.web.desk.accounts import matching, standings
from tollbook.web.desk.page import DeskRequest, staff_page

SHORT, MOST = 10, 20


@dataclass(slots=True)
class Found:
    """What a search found, by kind, at most `MOST` of each."""

    accounts: list[Account] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    invoices: list[tuple[Account, OpenBalance]] = field(default_factory=list)
    events: list[tuple[Account, UsageTold]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.accounts or self.users or self.invoices or self.events)


@staff_page()
def home(request: DeskRequest) -> HttpResponse:
    """The search box, a short list of accounts, whether refills run."""
    some = list(Account.objects.filter(is_active=True).order_by("name", "slug")[:SHORT])
    context = {
        "rows": standings(some),
        "count": Account.objects.count(),
        "tax_waiting": waiting_for_tax().count(),
        "drafts_waiting": DraftInvoice.objects.filter(state=DraftState.OPEN).count(),
        "switch": OperatorSwitch.objects.filter(name="refills").first(),
    }
    return render(request, "tollbook/desk/home.html", context)


@staff_page()
def search(request: DeskRequest) -> HttpResponse:
    """Accounts, users, invoices and usage events that the words in the box may mean."""
    q = request.GET.get("q", "").strip().replace("\0", "")
    found = find(q) if q else Found()
    return render(request, "tollbook/desk/search.html", {"q": q, "found": found, "most": MOST})


def find(q: str) -> Found:
    """What `q` may mean: a part of an account's name or of an email address, an invoice's number, an event's id.

    Five queries. The last two name every account, so that they are look-ups in an index whose first column it is.
    """
    by_id = {account.id: account for account in Account.objects.all()}
    return Found(
        accounts=list(matching(q)[:MOST]),
        users=list(_users(q)),
        invoices=_of_accounts(by_id, OpenBalance.objects.filter(number=_number(q))),
        events=[(by_id[row.account_id], row) for row in told_anywhere(list(by_id), q, MOST)],
    )


def _users(q: str) -> Any:
    people = User.objects.defer("password").select_related("account")
    return people.filter(email__icontains=q).order_by("email")[:MOST]


def _of_accounts(by_id: dict[UUID, Account], rows: Any) -> list[tuple[Account, Any]]:
    return [(by_id[row.account_id], row) for row in rows.filter(account_id__in=list(by_id))[:MOST]]


def _number(q: str) -> str:
    """An invoice's number as it is printed, also when only its digits were typed."""
    return f"INV-{int(q):06d}" if q.isascii() and q.isdigit() and len(q) <= 12 else q.upper()


urls = [
    path("", home, name="home"),
    path("search/", search, name="search"),
]
