"""The account's audit trail, newest first."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts import audit
from tollbook.accounts.tables import AuditEntry, Level
from tollbook.web.portal.page import PortalRequest, page

SIZES = (25, 50, 100)
WORDS = {
    "access.change": "Access changed",
    "access_request.open": "Access requested",
    "access_request.grant": "Access request granted",
    "access_request.decline": "Access request declined",
    "account.open": "Account opened",
    "user.add": "User added",
    "user.rename": "User renamed",
    "user.change_level": "Level changed",
    "user.deactivate": "User deactivated",
    "user.reactivate": "User reactivated",
    "user.new_link": "Password ended, link made",
}
Change = tuple[str, object, object]


@page(level=Level.SUPER_ADMIN)
def trail(request: PortalRequest) -> HttpResponse:
    """Who changed what, when, before and after."""
    size = next((size for size in SIZES if request.GET.get("rows") == str(size)), SIZES[0])
    lines = Paginator(audit.trail(request.account.id), size).get_page(request.GET.get("page"))
    rows = [(entry, in_words(entry.action), about(entry.target), changes(entry)) for entry in lines]
    return render(request, "tollbook/portal/audit.html", {"page": lines, "rows": rows, "size": size})


def in_words(action: str) -> str:
    """What was done, as people say it; `refill_rule.change` that nobody put into words is "Refill rule: change"."""
    noun, _, verb = action.replace("_", " ").partition(".")
    return WORDS.get(action) or (f"{noun}: {verb}" if verb else noun).capitalize()


def about(target: str) -> str:
    """The thing itself: `user/ada@example.com` is ada@example.com."""
    return target.partition("/")[2] or target


def changes(entry: AuditEntry) -> list[Change]:
    """What changed, as (name, before, after); before is None where there was nothing."""
    before, after = entry.before or {}, entry.after or {}
    return [(_name(key), before.get(key), after.get(key)) for key in {**before, **after}]


def _name(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


urls = [path("audit/", trail, name="audit")]
