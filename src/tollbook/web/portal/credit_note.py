"""One credit note: what it takes off which invoice, and why."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts.tables import Area
from tollbook.invoicing import credit_note
from tollbook.web.portal.page import PortalRequest, page


@page(area=Area.INVOICES)
def opened(request: PortalRequest, number: str) -> HttpResponse:
    """Its lines, its sums, and the way to its invoice and its document."""
    note = credit_note.find(request.account.id, number)
    context = {"note": note, "lines": credit_note.lines_of(note)}
    return render(request, "tollbook/portal/credit_note.html", context)


urls = [path("billing/credit-notes/<str:number>/", opened, name="credit-note")]
