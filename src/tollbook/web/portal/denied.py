"""The page for someone without access: who can grant it, and a button that asks them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from tollbook.accounts import access
from tollbook.accounts.access import Rights
from tollbook.accounts.tables import Area, RequestState


def denied(request: HttpRequest, areas: tuple[Area, ...], held: dict[Area, Rights]) -> HttpResponse:
    """The 403 page about these areas. Names one of them only to somebody who may see another."""
    some = any(right.read for right in held.values())
    asked = access.last_request(request.user)
    context = {
        "what": areas[0].label if some and len(areas) == 1 else "Billing",
        "granters": [user.email for user in access.who_can_grant(request.user.account_id)],
        "request_url": reverse("portal:request-access"),
        "requested_at": asked.requested_at if asked and asked.state == RequestState.OPEN else None,
        "declined_at": asked.decided_at if asked and asked.state == RequestState.DECLINED else None,
        "here": request.get_full_path() if request.method == "GET" else "",
    }
    return render(request, "403_billing.html", context, status=403)
