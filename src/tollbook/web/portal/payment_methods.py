"""Payment methods: the account's cards; add one on the gateway's own page, choose the default and the backup, remove."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Area
from tollbook.errors import Conflict, Invalid
from tollbook.payments import gateway, method, simulated
from tollbook.payments.gateway import NewMethod, Unreachable
from tollbook.payments.method import label
from tollbook.refills import card as cards
from tollbook.web import cards as account_cards
from tollbook.web.portal.page import PortalRequest, page
from tollbook.web.sign_in import own_address

SETTING_UP = "card_being_added"
LIST = "portal:payment-methods"
DUE = "What waits for a card, a refill that is due or an invoice that is collected, is charged to the default soon after."


@page(area=Area.PAYMENTS)
def listing(request: PortalRequest) -> HttpResponse:
    """The account's cards."""
    rows = account_cards.rows(request.account)
    context = {
        "rows": rows,
        "no_default": rows and not rows[0].card.is_default,
        "warned": [row for row in rows if row.is_warned_of],
        "may_add": bool(gateway.taking_cards()),
        "instructions": settings.OPERATOR["payment_instructions"],
    }
    return render(request, "tollbook/portal/cards/list.html", context)


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def add(request: PortalRequest) -> HttpResponse:
    """Say what happens, open the gateway's page, and lead there. No card number is typed on any page of Tollbook.

    The last step is a link: a form must not lead to another site, says our Content-Security-Policy.
    """
    offered = gateway.taking_cards()
    if not offered:
        raise Http404
    if request.method == "GET":
        return render(request, "tollbook/portal/cards/add.html", {"due": DUE})
    try:
        opened = gateway.set_up(offered[0], request.account.id, request.build_absolute_uri(_returned()))
    except Unreachable as refusal:
        return render(request, "tollbook/portal/cards/add.html", {"error": refusal.message}, status=503)
    request.session[SETTING_UP] = [offered[0], opened.reference]
    return render(request, "tollbook/portal/cards/add.html", {"ready": opened.url})


@page(area=Area.PAYMENTS, write=True, scope=False)
def returned(request: PortalRequest) -> HttpResponse:
    """Back from the gateway's page: the card that was entered there, or none."""
    if SETTING_UP not in request.session:
        return redirect(LIST)
    name, reference = request.session[SETTING_UP]
    try:
        _take(request, gateway.card_from(name, request.account.id, request.GET.get("card") or reference))
    except (Unreachable, Conflict, Invalid) as refusal:
        messages.warning(request, refusal.message)
    except LookupError:
        messages.info(request, "No card was added.")
    return redirect(LIST)


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def make_default(request: PortalRequest, id: UUID) -> HttpResponse:
    """Let this card be charged: what that means, then do it."""
    card, before = method.find(request.account.id, id), method.default_of(request.account.id)
    if request.method == "POST":
        method.make_default(request.account.id, id, actor_of(request.user))
        messages.success(request, f"{label(card)} is charged from now on.")
        return redirect(LIST)
    sentences = [
        f"Refills and invoices are charged to {label(card)} from now on"
        + (f", no longer to {label(before)}." if before and before != card else ".")
    ]
    if before and card.is_backup:
        sentences.append(f"{label(before)} becomes the backup in its place.")
    sentences += [DUE, "A charge that is under way stays with the card it was sent to."]
    return _review(request, f"Make {label(card)} the default", sentences, "Make it the default")


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def make_backup(request: PortalRequest, id: UUID) -> HttpResponse:
    """Let this card be tried when the default declines, or the backup no longer: what that means, then do it."""
    card, before = method.find(request.account.id, id), method.backup_of(request.account.id)
    ends = card.is_backup
    if request.method == "POST":
        wanted = None if request.POST.get("ends") else id
        try:
            method.make_backup(request.account.id, wanted, actor_of(request.user))
            messages.success(request, f"{label(card)} is the backup now." if wanted else "There is no backup now.")
        except Conflict as refusal:
            messages.warning(request, refusal.message)
        return redirect(LIST)
    if ends:
        sentences = [f"When the default card declines, {label(card)} is not tried any more. A refill then fails."]
        return _review(request, f"No longer use {label(card)} as backup", sentences, "Have no backup", {"ends": "yes"})
    sentences = [
        f"When the default card declines for a reason that another card can cure, {label(card)} is tried, once.",
        *([f"{label(before)} is not tried any more."] if before else []),
    ]
    return _review(request, f"Make {label(card)} the backup", sentences, "Make it the backup")


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def remove(request: PortalRequest, id: UUID) -> HttpResponse:
    """Remove a card: what depends on it, then do it. Whoever confirms has read that."""
    card = method.find(request.account.id, id)
    if request.method == "POST":
        try:
            cards.remove(request.account.id, id, actor_of(request.user), knowing=bool(request.POST.get("knowing")))
            messages.success(request, f"{label(card)} is removed.")
            return redirect(LIST)
        except cards.Needed:
            pass  # something came to depend on it meanwhile: the page says what
        except cards.ChargeUnderWay as refusal:
            messages.warning(request, refusal.message)
            return redirect(LIST)
    depends = cards.dependants(card)
    context = {
        "title": f"Remove {label(card)}",
        "sentences": ["It is never charged again, and the payment gateway forgets it. Past charges stay as they are."],
        "effect": _effect(depends),
        "effect_tone": "warning",
        "hidden": {"knowing": "yes"} if depends else {},
        "confirm": "Remove it all the same" if depends else "Remove it",
        "danger": True,
        "back_url": reverse(LIST),
        "back": "Keep it",
    }
    return render(request, "tollbook/portal/cards/review.html", context)


@page(area=Area.PAYMENTS, write=True, methods="GET POST", scope=False)
def simulated_page(request: PortalRequest) -> HttpResponse:
    """In the place of a gateway's page, for the gateway that moves no money: a card is chosen, no number is typed."""
    back = request.GET.get("return", "")
    if simulated.NAME not in gateway.offered() or not own_address(request, back):
        raise Http404
    if request.method == "POST":
        token = request.POST.get("card", "")
        if token not in simulated.CARDS:
            raise Invalid("This form was not complete.")
        return HttpResponseRedirect(f"{back}?{urlencode({'card': simulated.chosen(request.account.id, token)})}")
    context = {"cards": simulated.CARDS.values(), "back_url": back}
    return render(request, "tollbook/portal/cards/simulated.html", context)


def _take(request: PortalRequest, new: NewMethod | None) -> None:
    if new is None:
        messages.info(request, "No card was added.")
        return
    request.session.pop(SETTING_UP, None)
    known = [card for card in method.of_account(request.account.id) if card.token == new.token]
    card = known[0] if known else method.add(request.account.id, new, actor_of(request.user))
    use = " It is charged from now on." if card.is_default else " It is the backup." if card.is_backup else ""
    messages.success(request, f"{label(card)} is added.{use}")


def _effect(depends: cards.Dependants) -> str:
    """What stops, for whoever is about to remove the card."""
    told = []
    if depends.wallets:
        told.append(f"It is the default, from which {_joined(depends.wallets)} refill automatically: without it they don't.")
    if depends.invoices:
        told.append("Invoices are not collected by card without it.")
    return " ".join([*told, "Make another card the default to go on."]) if told else ""


def _joined(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _review(
    request: PortalRequest, title: str, sentences: list[str], confirm: str, hidden: dict[str, str] | None = None
) -> HttpResponse:
    context = {
        "title": title,
        "sentences": sentences,
        "confirm": confirm,
        "hidden": hidden or {},
        "back_url": reverse(LIST),
    }
    return render(request, "tollbook/portal/cards/review.html", context)


def _returned() -> str:
    return reverse("portal:payment-method-returned")


urls = [
    path("billing/payment-methods/", listing, name="payment-methods"),
    path("billing/payment-methods/add/", add, name="payment-method-add"),
    path("billing/payment-methods/returned/", returned, name="payment-method-returned"),
    path("billing/payment-methods/<uuid:id>/default/", make_default, name="payment-method-default"),
    path("billing/payment-methods/<uuid:id>/backup/", make_backup, name="payment-method-backup"),
    path("billing/payment-methods/<uuid:id>/remove/", remove, name="payment-method-remove"),
    path("billing/simulated-gateway/", simulated_page, name="simulated-gateway"),
]
