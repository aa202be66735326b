"""What the pages about alerts in the portal and on the desk share: forms, rows, and the steps of each page.

A `Door` says whose alerts a page is about and where its addresses are; who may open it, its own file declares.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import Account, Area
from tollbook.alerts import deliver, endpoint, kinds, levels, log, people
from tollbook.alerts.people import Told
from tollbook.alerts.tables import Channel, Delivery, DeliveryState, Endpoint
from tollbook.errors import Conflict, Invalid, Refused
from tollbook.postgres.ids import new_id
from tollbook.rating.tables import CreditType
from tollbook.wallets.wallet import of_account as wallets_of
from tollbook.web.errors import onto_form, status_of

NEWEST, SIZES = 5, (25, 50, 100)
HOOK_PAGES = ("change", "test", "missed", "rotate", "switch", "remove")
TONES = {DeliveryState.DELIVERED: ("good", "✓"), DeliveryState.FAILED: ("bad", "×"), DeliveryState.WAITING: ("warn", "○")}
Crumbs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Door:
    """Whose alerts (`account` is None for the operator's own), who acts, and through which door they came; what they may
    read, and whether they may change alerts and levels."""

    name: str
    account_id: UUID
    account: Account | None
    actor: Actor
    may_write: bool = True
    readable: frozenset[Area] = frozenset(Area)
    may_set_levels: bool = True

    @property
    def offered(self) -> list[str]:
        """The kinds whose area they may read: what they may choose, and see in the log."""
        return [code for code, kind in kinds.of(self.account_id).items() if kind.area in self.readable]

    @property
    def hidden(self) -> list[str]:
        """The kinds that are none of their business."""
        return [code for code, kind in kinds.of(self.account_id).items() if kind.area not in self.readable]

    def url(self, page: str, *parts: object) -> str:
        """The address of a page behind this door."""
        return reverse(f"{self.name}:{page}", args=parts)

    def context(self, title: str, *crumbs: tuple[str, str]) -> dict[str, Any]:
        """What every page's template reads."""
        return {
            "base": "tollbook/base_desk.html" if self.name == "desk" else "tollbook/base.html",
            "section": "alerts",
            "door": self,
            "of": self.account,
            "title": title,
            "crumbs": [(self.url("alerts"), "Alerts"), *crumbs] if title != "Alerts" else [],
            "may_write": self.may_write,
        }


class KindsForm(forms.Form):
    """Which kinds."""

    kinds = forms.MultipleChoiceField(label="Tell about", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, account_id: UUID, allowed: Iterable[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = kinds.of(account_id)
        chosen: Any = self.fields["kinds"]
        chosen.choices = [(code, f"{known[code].name}: {known[code].says}") for code in allowed if code in known]


class AddressForm(KindsForm):
    """An additional address and what it gets."""

    address = forms.EmailField(label="Email address", max_length=254)
    field_order = ["address", "kinds"]


class HookForm(KindsForm):
    """An endpoint as it is typed. The token, made with the form, becomes its id."""

    url = forms.CharField(
        label="Address",
        max_length=500,
        widget=forms.TextInput({"inputmode": "url", "autocomplete": "off", "placeholder": "https://example.com/billing"}),
        help_text="It must begin with https:// and lead to a public address.",
    )
    description = forms.CharField(max_length=100, required=False, help_text="What receives it.")
    token = forms.UUIDField(widget=forms.HiddenInput)
    field_order = ["url", "description", "kinds", "token"]

    def __init__(self, door: Door, *args: Any, has_others: bool = False, **kwargs: Any) -> None:
        """`has_others`: it gets kinds that are not shown, so that none of those shown need be chosen."""
        known = kinds.of(door.account_id)
        super().__init__(door.account_id, [code for code in door.offered if known[code].by_webhook], *args, **kwargs)
        self.fields["kinds"].required = not has_others


class LevelsForm(forms.Form):
    """The levels of one wallet."""

    HOW = (
        ("usual", "The usual ones: 20 %, 10 % and used up; while it refills itself only used up"),
        ("own", "These"),
        ("never", "Never"),
    )
    how = forms.ChoiceField(label="Tell when the balance falls to", choices=HOW, widget=forms.RadioSelect)
    levels = forms.CharField(
        required=False,
        max_length=100,
        label="Levels",
        help_text="Shares of what the wallet held after its last funding, or amounts: 50% 20% $25",
    )


def overview(request: HttpRequest, door: Door, others: Iterable[Endpoint] = ()) -> HttpResponse:
    """Who gets what, when a wallet is called low, where webhooks go, what was sent lately."""
    told = people.of_account(door.account) if door.account else people.of_operator()
    newest = list(log.deliveries(door.account_id, hidden=door.hidden)[:NEWEST])
    context = door.context("Alerts") | {
        "people": [_person(door, one) for one in told],
        "wallets": _wallets(door) if door.account and Area.CREDITS in door.readable else [],
        "hooks": [_hook(door, one) for one in endpoint.present(door.account_id)],
        "others": [_hook(door, one) for one in others],
        "rows": rows_of(door, newest),
        "is_mail_set_up": bool(settings.EMAIL_HOST),
    }
    return render(request, "tollbook/alerts/overview.html", context)


def person(request: HttpRequest, door: Door, user_id: UUID) -> HttpResponse:
    """What one user of the account gets by mail."""
    account = _account(door)
    told = people.told_of(account, user_id)
    offered = [code for code in told.may_get if code in door.offered]
    form = KindsForm(door.account_id, offered, _typed(request), initial={"kinds": list(told.kinds)})

    def act() -> HttpResponse:
        people.choose(account, user_id, form.cleaned_data["kinds"], door.actor, door.offered)
        messages.success(request, f"What {told.address} gets is saved.")
        return _home(door)

    lead = f"{told.address} gets mail about what is ticked. Only what they, and you, may read in Billing can be chosen."
    return _formed(request, door, form, f"Mail to {told.address}", act, lead=lead)


def address_new(request: HttpRequest, door: Door) -> HttpResponse:
    """Let an additional address get mail."""
    form = AddressForm(door.account_id, door.offered, _typed(request))

    def act() -> HttpResponse:
        typed = form.cleaned_data
        people.choose_address(door.account_id, typed["address"], typed["kinds"], door.actor, door.offered)
        messages.success(request, f"{typed['address']} is added.")
        return _home(door)

    lead = "For an address that belongs to no user, such as your bookkeeper's. It reads what is sent to it."
    return _formed(request, door, form, "Add an address", act, lead=lead)


def address(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """What an additional address gets."""
    row = people.find(door.account_id, id)
    initial = {"kinds": kinds.listed(door.account_id, row.kinds)}
    form = KindsForm(door.account_id, door.offered, _typed(request), initial=initial)

    def act() -> HttpResponse:
        people.choose_address(door.account_id, row.address, form.cleaned_data["kinds"], door.actor, door.offered)
        messages.success(request, f"What {row.address} gets is saved.")
        return _home(door)

    more = {"other_url": door.url("alert-address-remove", id), "other": "Remove the address ..."}
    return _formed(request, door, form, f"Mail to {row.address}", act, **more)


def address_remove(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """Send nothing more to an additional address, after a question."""
    row = people.find(door.account_id, id)

    def act() -> HttpResponse:
        people.remove(door.account_id, id, door.actor)
        messages.success(request, f"{row.address} gets nothing more.")
        return _home(door)

    says = [f"Nothing more is sent to {row.address}.", "It can be added again."]
    return _asked(request, door, f"Remove {row.address}", says, "Remove", act, danger=True)


def wallet_levels(request: HttpRequest, door: Door, type_code: str, name: str, wallet_id: UUID) -> HttpResponse:
    """When one wallet is called low."""
    account = _account(door)
    chosen = levels.of_wallet(account.id, wallet_id)
    how = "usual" if chosen is None else "own" if chosen else "never"
    form = LevelsForm(_typed(request), initial={"how": how, "levels": " ".join(chosen or ())})

    def act() -> HttpResponse:
        wanted = _wanted(form.cleaned_data, account.currency)
        levels.choose(account, type_code, wanted, door.actor)
        messages.success(request, f"The levels of {name} are saved.")
        return _home(door)

    lead = "You are told once each time the balance falls to a level, and again only after it was funded above it."
    return _formed(request, door, form, f"Low balance of {name}", act, lead=lead)


def hook_new(request: HttpRequest, door: Door) -> HttpResponse:
    """Add an endpoint: form, review, then its secret, this once."""
    initial = {"token": new_id(), "kinds": [kind.code for kind in kinds.of(door.account_id).values() if kind.by_webhook]}
    if request.method == "GET" and "url" in request.GET:
        initial |= {"url": request.GET["url"], "description": request.GET.get("description", "")}
        initial["kinds"] = request.GET.getlist("kinds")
    form = HookForm(door, _typed(request), initial=initial)

    def act() -> HttpResponse:
        typed = form.cleaned_data
        if request.POST.get("confirmed") != "yes":
            endpoint.check(door.account_id, typed["url"], typed["kinds"])
            return _hook_review(request, door, form)
        made, secret = endpoint.add(
            door.account_id, typed["url"], typed["kinds"], door.actor, typed["description"], typed["token"]
        )
        return _secret(request, door, made, secret, "The endpoint is added")

    return _formed(request, door, form, "Add a webhook endpoint", act, button="Review")


def hook(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """One endpoint: what it gets, whether it is on, what was sent there lately."""
    shown = endpoint.find(door.account_id, id)
    newest = list(log.deliveries(door.account_id, recipient=str(id), hidden=door.hidden)[:NEWEST])
    context = door.context(shown.url) | {
        "hook": shown,
        "row": _hook(door, shown),
        "rows": rows_of(door, newest),
        "missed": log.missed(door.account_id, id, door.hidden),
        "log_url": f"{door.url('deliveries')}?recipient={id}",
        "urls": {page: door.url(f"hook-{page}", id) for page in HOOK_PAGES},
        "schedule": [_spoken(pause.total_seconds()) for pause in deliver.PAUSES],
    }
    return render(request, "tollbook/alerts/hook.html", context)


def hook_change(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """Another address, other kinds; the secret stays."""
    shown = endpoint.find(door.account_id, id)
    initial = {
        "url": shown.url, "description": shown.description, "kinds": kinds.listed(door.account_id, shown.kinds), "token": id,
    }  # fmt: skip
    has_others = any(code in door.hidden for code in shown.kinds)
    form = HookForm(door, _typed(request), initial=initial, has_others=has_others)

    def act() -> HttpResponse:
        typed = form.cleaned_data
        endpoint.change(
            door.account_id, id, typed["url"], typed["kinds"], door.actor, typed["description"], door.offered
        )
        messages.success(request, "The endpoint is saved.")
        return HttpResponseRedirect(door.url("hook", id))

    return _formed(request, door, form, "Change the endpoint", act, (door.url("hook", id), shown.url))


def hook_test(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """Send a test event, and on to what becomes of it."""
    try:
        delivery_id = log.test(door.account_id, id, door.actor)
    except Conflict as refusal:
        messages.error(request, refusal.message)
        return HttpResponseRedirect(door.url("hook", id))
    messages.success(request, "A test event is on its way; load this page again in a moment to see what became of it.")
    return HttpResponseRedirect(door.url("delivery", delivery_id))


def hook_rotate(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """A new secret, after a question; shown by the answer, this once."""
    shown = endpoint.find(door.account_id, id)

    def act() -> HttpResponse:
        seen = request.POST.get("generation", "")
        if not (seen.isascii() and seen.isdigit() and len(seen) < 9):
            raise Invalid("This form was not complete.")
        changed, secret = endpoint.rotate(door.account_id, id, int(seen), door.actor)
        return _secret(request, door, changed, secret, "The secret is rotated")

    says = [
        "You get a new secret, shown this once.",
        "For 24 hours messages are signed with both, so that your receiver can change over at any moment in between.",
    ]
    hidden = {"generation": shown.generation}
    crumb = (door.url("hook", id), shown.url)
    return _asked(request, door, "Rotate the secret", says, "Rotate", act, crumb, hidden=hidden)


def hook_switch(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """Off, or on again. Which way, the address says, so that a repeated click does nothing."""
    shown = endpoint.find(door.account_id, id)
    on = request.GET.get("to") == "on"

    def act() -> HttpResponse:
        endpoint.switch(door.account_id, id, on, door.actor)
        messages.success(request, f"The endpoint is switched {'on' if on else 'off'}.")
        return HttpResponseRedirect(door.url("hook", id))

    says = (
        ["What happens from now on is sent there.", "What it missed is sent when you ask for that, on the endpoint's page."]
        if on
        else [
            "Nothing more is sent there until somebody switches it on.",
            "What happens meanwhile stays in the delivery log for 90 days, and can be sent later.",
        ]
    )
    title, crumb = f"Switch the endpoint {'on' if on else 'off'}", (door.url("hook", id), shown.url)
    return _asked(request, door, title, says, title, act, crumb, danger=not on)


def hook_missed(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """Send what never arrived, after a question."""
    shown = endpoint.find(door.account_id, id)
    count = log.missed(door.account_id, id, door.hidden)

    def act() -> HttpResponse:
        sent = log.send_missed(door.account_id, id, door.actor, door.hidden)
        messages.success(request, f"On the way again: {_events(sent)}.")
        return HttpResponseRedirect(door.url("hook", id))

    says = [
        f"{_events(count)} never arrived there within the last 90 days.",
        "They are sent from now on, the oldest first, each under its own id. Which of them you know, webhook-id tells.",
    ]
    crumb = (door.url("hook", id), shown.url)
    return _asked(request, door, "Send what it missed", says, "Send", act, crumb)


def hook_remove(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """The end of an endpoint, after a question."""
    shown = endpoint.known(door.account_id, id)

    def act() -> HttpResponse:
        endpoint.remove(door.account_id, id, door.actor)
        messages.success(request, f"{shown.url} is removed.")
        return _home(door)

    says = [f"Nothing more is sent to {shown.url}, for ever.", "Its secret becomes worthless. The log stays."]
    crumb = (door.url("hook", id), shown.url)
    return _asked(request, door, "Remove the endpoint", says, "Remove", act, crumb, danger=True)


def deliveries(request: HttpRequest, door: Door) -> HttpResponse:
    """What was sent, newest first."""
    channel = _one_of(request.GET.get("channel", ""), Channel.values)
    state = _one_of(request.GET.get("state", ""), DeliveryState.values)
    recipient = request.GET.get("recipient", "")[:254]
    size = next((size for size in SIZES if request.GET.get("rows") == str(size)), SIZES[0])
    found = log.deliveries(door.account_id, channel, state, recipient, door.hidden)
    page = Paginator(found, size).get_page(request.GET.get("page"))
    context = door.context("Delivery log") | {
        "page": page,
        "rows": rows_of(door, list(page)),
        "channels": [(one.value, one.label) for one in Channel],
        "states": [(one.value, one.label) for one in DeliveryState],
        "channel": channel,
        "state": state,
        "recipient": recipient,
        "is_filtered": bool(channel or state or recipient),
    }
    return render(request, "tollbook/alerts/log.html", context)


def delivery(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """One delivery: what was sent, every try, and the way to send it again."""
    opened = log.find(door.account_id, id, door.hidden)
    [row] = rows_of(door, [opened.delivery])
    context = door.context(row["what"], (door.url("deliveries"), "Delivery log")) | {
        "row": row,
        "opened": opened,
        "body": deliver.body_of(opened.notice).decode(),
        "message_id": deliver.message_id(opened.notice),
        "may_send_again": door.may_write and log.is_finished(opened.delivery),
        "again_url": door.url("delivery-again", id),
        "is_webhook": opened.delivery.channel == Channel.WEBHOOK,
    }
    return render(request, "tollbook/alerts/delivery.html", context)


def delivery_again(request: HttpRequest, door: Door, id: UUID) -> HttpResponse:
    """Send what ended once more."""
    try:
        log.send_again(door.account_id, id, door.actor, door.hidden)
        messages.success(request, "It is on its way again.")
    except Conflict as refusal:
        messages.error(request, refusal.message)
    return HttpResponseRedirect(door.url("delivery", id))


def rows_of(door: Door, found: list[Delivery]) -> list[dict[str, Any]]:
    """Deliveries as rows of a table, of one account."""
    notices = log.notices(door.account_id, found)
    urls = dict(Endpoint.objects.filter(account_id=door.account_id).values_list("id", "url"))
    by_id = {str(id): url for id, url in urls.items()}
    known = kinds.of(door.account_id)
    rows = []
    for one in found:
        kind = notices[one.notice_id].kind
        tone, sign = TONES.get(DeliveryState(one.state), ("", "•"))
        rows.append(
            {
                "delivery": one,
                "url": door.url("delivery", one.id),
                "what": known[kind].name if kind in known else "Test" if kind == kinds.TEST else kind,
                "to": by_id.get(one.recipient, one.recipient),
                "channel": Channel(one.channel).label,
                "state": DeliveryState(one.state).label,
                "tone": tone,
                "sign": sign,
            }
        )
    return rows


def _person(door: Door, told: Told) -> dict[str, Any]:
    url = ""
    if told.user is not None:
        url = door.url("alert-user", told.user.id)
    elif told.id is not None:
        url = door.url("alert-address", told.id)
    who = told.user.get_level_display() if told.user else "The usual address" if told.usual else "Additional address"
    gets = _summary(door.account_id, told.kinds, told.may_get)
    return {"address": told.address, "who": who, "gets": gets, "usual": told.usual, "url": url}


def _wallets(door: Door) -> list[dict[str, Any]]:
    chosen = levels.of_account(door.account_id)
    names = dict(CreditType.objects.values_list("code", "name"))
    return [
        {"name": names[one.type_code], "levels": _levels(chosen.get(one.id)), "url": door.url("alert-levels", one.type_code)}
        for one in wallets_of(door.account_id)
    ]


def _levels(chosen: tuple[str, ...] | None) -> str:
    if chosen is None:
        return "The usual ones"
    return ", ".join(level.replace("%", " %") for level in chosen) or "Never"


def _hook(door: Door, one: Endpoint) -> dict[str, Any]:
    wanted = kinds.listed(one.account_id, one.kinds)
    possible = [kind.code for kind in kinds.of(one.account_id).values() if kind.by_webhook]
    return {"hook": one, "url": door.url("hook", one.id), "gets": _summary(one.account_id, wanted, possible)}


def _summary(account_id: UUID, wanted: Iterable[str], possible: Iterable[str]) -> str:
    known, codes = kinds.of(account_id), list(wanted)
    if not codes:
        return "Nothing"
    return "Everything" if set(codes) >= set(possible) else ", ".join(known[code].name for code in codes)


def _wanted(typed: dict[str, Any], currency: str) -> tuple[str, ...] | None:
    if typed["how"] == "usual":
        return None
    if typed["how"] == "never":
        return ()
    wanted = levels.parse(typed["levels"], currency)
    if not wanted:
        raise Invalid("Write at least one level, or choose another answer above.", field="levels")
    return wanted


def _hook_review(request: HttpRequest, door: Door, form: HookForm) -> HttpResponse:
    typed, known = form.cleaned_data, kinds.of(door.account_id)
    says = [
        f"From now on, what you chose is sent to {typed['url']}, signed with a secret that you see once.",
        "Whoever runs that address reads amounts and balances of this account." if door.account else "",
    ]
    context = door.context("Review", (door.url("hook-new"), "Add a webhook endpoint")) | {
        "review_title": "Review: add a webhook endpoint",
        "sentences": [one for one in says if one] + [f"{known[code].name}: {known[code].says}." for code in typed["kinds"]],
        "confirm": "Add the endpoint",
        "typed": [(name, value) for name in form.fields for value in request.POST.getlist(name)] + [("confirmed", "yes")],
        "back_url": door.url("hook-new"),
        "action_url": request.path,
    }
    return render(request, "tollbook/alerts/confirm.html", context)


def _secret(request: HttpRequest, door: Door, made: Endpoint, secret: str, title: str) -> HttpResponse:
    context = door.context(title, (door.url("hook", made.id), made.url))
    context |= {"hook": made, "secret": secret, "url": door.url("hook", made.id)}
    return render(request, "tollbook/alerts/secret.html", context)


def _formed(
    request: HttpRequest, door: Door, form: forms.Form, title: str, act: Callable[[], HttpResponse],
    *crumbs: tuple[str, str], button: str = "Save", **more: Any,
) -> HttpResponse:  # fmt: skip
    """A form, or what it does once it is complete; what is refused lands beside its field."""
    status = 200
    if form.is_bound:
        status = 400
        if form.is_valid():
            try:
                return act()
            except Refused as refusal:
                status = onto_form(form, refusal)
    back = crumbs[-1][0] if crumbs else door.url("alerts")
    context = door.context(title, *crumbs) | {"form": form, "button": button, "back_url": back} | more
    return render(request, "tollbook/alerts/form.html", context, status=status)


def _asked(
    request: HttpRequest, door: Door, title: str, says: list[str], confirm: str, act: Callable[[], HttpResponse],
    *crumbs: tuple[str, str], danger: bool = False, hidden: dict[str, Any] | None = None,
) -> HttpResponse:  # fmt: skip
    """A question with nothing to fill in: looked at, it is asked; posted, it is done."""
    status, error = 200, ""
    if request.method == "POST":
        try:
            return act()
        except (Conflict, Invalid) as refusal:
            status, error = status_of(refusal), refusal.message
    context = door.context(title, *crumbs) | {
        "review_title": title,
        "sentences": says,
        "confirm": confirm,
        "danger": danger,
        "typed": list((hidden or {}).items()),
        "back_url": crumbs[-1][0] if crumbs else door.url("alerts"),
        "action_url": request.get_full_path(),
        "error": error,
    }
    return render(request, "tollbook/alerts/confirm.html", context, status=status)


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _home(door: Door) -> HttpResponse:
    return HttpResponseRedirect(door.url("alerts"))


def _account(door: Door) -> Account:
    if door.account is None:
        raise Invalid("This is about an account.")
    return door.account


def _typed(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _one_of(text: str, known: list[str]) -> str:
    return text if text in known else ""


def _spoken(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
