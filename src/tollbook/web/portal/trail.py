"""The account's audit trail, newest first."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts import audit
from tollbook.accounts.tables import Level
from tollbook.web.audited import about, changes, in_words
from tollbook.web.portal.page import PortalRequest, page

SIZES = (25, 50, 100)


@page(level=Level.SUPER_ADMIN)
def trail(request: PortalRequest) -> HttpResponse:
    """Who changed what, when, before and after."""
    size = next((size for size in SIZES if request.GET.get("rows") == str(size)), SIZES[0])
    lines = Paginator(audit.trail(request.account.id), size).get_page(request.GET.get("page"))
    rows = [(entry, in_words(entry.action), about(entry.target), changes(entry)) for entry in lines]
    return render(request, "tollbook/portal/audit.html", {"page": lines, "rows": rows, "size": size})


urls = [path("audit/", trail, name="audit")]
