"""The account's audit trail, newest first."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts import audit
from tollbook.accounts.tables import AuditEntry, Level
from tollbook.web.portal.page import PortalRequest, page

SIZES = (25, 50, 100)


@page(level=Level.SUPER_ADMIN)
def trail(request: PortalRequest) -> HttpResponse:
    """Who changed what, when, before and after."""
    size = next((size for size in SIZES if request.GET.get("rows") == str(size)), SIZES[0])
    lines = Paginator(audit.trail(request.account.id), size).get_page(request.GET.get("page"))
    rows = [(entry, in_words(entry.action), changes(entry)) for entry in lines]
    return render(request, "tollbook/portal/audit.html", {"page": lines, "rows": rows})


def in_words(action: str) -> str:
    """`access_request.grant` as people read it: "Access request: grant"."""
    noun, _, verb = action.partition(".")
    return f"{noun.replace('_', ' ').capitalize()}: {verb.replace('_', ' ')}" if verb else noun.capitalize()


def changes(entry: AuditEntry) -> list[tuple[str, object, object]]:
    """What changed, as (name, before, after)."""
    before, after = entry.before or {}, entry.after or {}
    return [(name.replace("_", " "), before.get(name), after.get(name)) for name in {**before, **after}]


urls = [path("audit/", trail, name="audit")]
