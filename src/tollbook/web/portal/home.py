"""The start page: who you are, how the account stands, where to go."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.web.portal import billing
from tollbook.web.portal.page import PortalRequest, page


@page()
def home(request: PortalRequest) -> HttpResponse:
    """A greeting, the figures that the user may see, and the doors."""
    first_tab = billing.first_tab(request)
    context = {"figures": billing.figures(request) if first_tab else None, "first_tab": first_tab}
    return render(request, "tollbook/portal/home.html", context)


urls = [path("", home, name="home")]
