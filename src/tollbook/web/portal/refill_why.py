"""Why a charge happened; what its holder can do while the bank waits for a confirmation."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse

from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Account, Area
from tollbook.errors import Conflict, NotFound
from tollbook.payments import gateway
from tollbook.refills import person
from tollbook.refills.send import attempt_of
from tollbook.refills.settle import settle
from tollbook.refills.tables import RefillState
from tollbook.refills.why import Why, why
from tollbook.wallets.gauge import Gauge
from tollbook.web import formats
from tollbook.web.portal.about_wallet import gauge_of, head
from tollbook.web.portal.page import PortalRequest, page


@page(area=Area.PAYMENTS)
def refill(request: PortalRequest, type_code: str, refill_id: UUID) -> HttpResponse:
    """Everything about one refill."""
    gauge = gauge_of(request.account, type_code)
    found = _of_wallet(request.account, gauge, refill_id)
    crossing, may_read = found.crossing, request.rights[Area.INVOICES].read
    context = head(request, gauge) | {
        "why": found,
        "may_change": request.rights[Area.PAYMENTS].write,
        "transfer_url": reverse("portal:transfer", args=[type_code, crossing.transfer_id]) if crossing else "",
        "invoice_url": reverse("portal:invoice", args=[found.invoice_number])
        if found.invoice_number and may_read
        else "",
    }
    return render(request, "tollbook/portal/credits/why.html", context)


@page(area=Area.PAYMENTS, write=True, methods="GET POST")
def give_up(request: PortalRequest, type_code: str, refill_id: UUID) -> HttpResponse:
    """Not to wait for the confirmation any longer: what that means, then do it."""
    gauge = gauge_of(request.account, type_code)
    found = _of_wallet(request.account, gauge, refill_id)
    address = reverse("portal:refill-why", args=[type_code, refill_id])
    if request.method == "POST":
        try:
            person.give_up(request.account, refill_id, actor_of(request.user))
            messages.success(request, "The refill is given up. It may take a minute until the wallet is free again.")
        except Conflict as refusal:
            messages.info(request, refusal.message)
        return HttpResponseRedirect(address)
    context = head(request, gauge) | {
        "title": f"Give up the refill of {formats.money(found.refill.amount, found.refill.currency)}",
        "sentences": _consequences(found),
        "confirm": "Give it up",
        "back_url": address,
    }
    return render(request, "tollbook/portal/credits/review.html", context)


@page(area=Area.PAYMENTS, write=True, methods="POST", scope=False)
def confirm(request: PortalRequest, type_code: str, refill_id: UUID) -> HttpResponse:
    """Have the gateway prepare its page for the bank's confirmation; the refill's own page then leads there."""
    address = reverse("portal:refill-why", args=[type_code, refill_id])
    refill = person.find(request.account.id, refill_id)
    if refill.state == RefillState.ACTION_REQUIRED and refill.given_up_at is None:
        attempt = attempt_of(refill)
        back = request.build_absolute_uri(address)
        answer = gateway.confirm(attempt.gateway, request.account.id, attempt.reference, back)
        settle(request.account.id, refill_id, answer, attempt.attempt)
    return HttpResponseRedirect(address)


def _of_wallet(account: Account, gauge: Gauge, refill_id: UUID) -> Why:
    """The refill, of this wallet. Raises NotFound."""
    found = why(account.id, refill_id)
    if found.refill.wallet_id != gauge.wallet_id:
        raise NotFound("There is no such refill of this wallet.")
    return found


def _consequences(found: Why) -> list[Any]:
    says = ["Nothing is charged for it, unless you have confirmed it a moment ago: the gateway is told to cancel it."]
    if found.refill.automatic:
        says.append("While the rule is on and the balance is low, a new refill is made; change the rule or the card first.")
    return says


urls = [
    path("billing/credits/<slug:type_code>/refills/<uuid:refill_id>/", refill, name="refill-why"),
    path("billing/credits/<slug:type_code>/refills/<uuid:refill_id>/give-up/", give_up, name="refill-give-up"),
    path("billing/credits/<slug:type_code>/refills/<uuid:refill_id>/confirm/", confirm, name="refill-confirm"),
]
