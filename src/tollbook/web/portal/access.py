"""The Access Control List of a user, asking for access, and deciding who gets it."""

import logging
from uuid import UUID

from django.contrib import messages
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import access, user
from tollbook.accounts.access import Rights
from tollbook.accounts.level import EDITORS, is_super_admin
from tollbook.accounts.tables import Area, Level, RequestState
from tollbook.errors import Conflict, Invalid
from tollbook.web.portal.page import PortalRequest, chosen, page
from tollbook.web.sign_in import came_from, own_address

log = logging.getLogger(__name__)


@page(level=EDITORS, write_level=Level.SUPER_ADMIN, methods="GET POST")
def control_list(request: PortalRequest, id: UUID) -> HttpResponse:
    """Who may do what in Billing, for one user; Super-Admins change it."""
    shown = user.find(request.account.id, id)
    held, error = access.granted(shown), ""
    if request.method == "POST":
        held = _ticked(request)
        try:
            access.set_grants(request.user, shown, held)
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, f"The access of {shown.email} is saved.")
            return redirect("portal:user-acl", id)
    if shown.level == Level.SUPER_ADMIN:
        held = access.EVERYTHING
    context = {
        "person": shown,
        "rows": [(area, held[area]) for area in Area],
        "may_grant": is_super_admin(request.user) and shown.level != Level.SUPER_ADMIN,
        "granters": [granter.email for granter in access.who_can_grant(request.account.id)],
        "asked": next((asked for asked in access.open_requests(request.account.id) if asked.user.id == id), None),
        "error": error,
    }
    return render(request, "tollbook/portal/acl.html", context, status=400 if error else 200)


@page(methods="POST")
def ask(request: PortalRequest) -> HttpResponse:
    """Ask the Super-Admins for access, then back to the page that was refused."""
    try:
        access.ask(request.user)
    except Conflict as refusal:
        messages.info(request, refusal.message)
    back = request.POST.get("next", "")
    return HttpResponseRedirect(back if own_address(request, back) else reverse("portal:billing"))


@page(level=Level.SUPER_ADMIN)
def requests(request: PortalRequest) -> HttpResponse:
    """Who waits for access."""
    return render(request, "tollbook/portal/access_requests.html", {"asked": access.open_requests(request.account.id)})


@page(level=Level.SUPER_ADMIN, methods="POST")
def decide(request: PortalRequest, request_id: UUID) -> HttpResponse:
    """Grant or decline, in one click."""
    asked = access.find_request(request.account.id, request_id)
    decided = access.decide(request.user, asked.id, chosen(request, "decision", {"grant": True, "decline": False}))
    email = user.find(request.account.id, decided.user_id).email
    transaction.on_commit(lambda: _mail(email, RequestState(decided.state), request.build_absolute_uri("/billing/")))
    if decided.state == RequestState.GRANTED:
        messages.success(
            request, f"{email} may now read Billing. Less, or Write, you set in their Access Control List."
        )
    else:
        messages.success(request, f"The request of {email} is declined.")
    return HttpResponseRedirect(came_from(request, reverse("portal:access-requests")))


def _mail(email: str, state: RequestState, address: str) -> None:
    """Tell who asked. What was decided stands whether or not the mail goes out."""
    outcome = "granted" if state == RequestState.GRANTED else "declined"
    try:
        send_mail(f"Your request for access to Billing was {outcome}", f"It was {outcome}: {address}\n", None, [email])
    except OSError:
        log.exception("mail about an access request was not sent")


def _ticked(request: HttpRequest) -> dict[Area, Rights]:
    return {area: Rights(f"{area}.read" in request.POST, f"{area}.write" in request.POST) for area in Area}


urls = [
    path("users/<uuid:id>/acl/", control_list, name="user-acl"),
    path("access/request/", ask, name="request-access"),
    path("access/requests/", requests, name="access-requests"),
    path("access/requests/<uuid:request_id>/", decide, name="access-decide"),
]
