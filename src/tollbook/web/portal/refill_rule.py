"""Change a wallet's refill rule: form, review in sentences with the computed effect, confirm; and release a tripped one."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode

from tollbook.accounts.audit import actor_of
from tollbook.accounts.tables import Account, Area
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.money.amount import parse_amount, to_minor
from tollbook.money.written import SYMBOLS
from tollbook.refills import rule, stops
from tollbook.refills.rehearsal import DAYS, Effect
from tollbook.refills.rule import Preview, Rule
from tollbook.refills.tables import RefillRule
from tollbook.wallets.gauge import Gauge
from tollbook.web import formats
from tollbook.web.portal.about_wallet import gauge_of, head
from tollbook.web.portal.page import PortalRequest, page

USUAL_CHARGES_PER_DAY = 3


class AmountField(forms.CharField):
    """An amount as people write it: `500`, `$1,234.50`. Exact, with the currency's places, or refused with a sentence."""

    currency = "USD"

    def clean(self, value: Any) -> Decimal:
        """The amount. Raises ValidationError."""
        try:
            return parse_amount(super().clean(value), self.currency)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None


class RuleForm(forms.Form):
    """A refill rule as it is typed."""

    automatic = forms.BooleanField(required=False, label="Refill automatically")
    refill_amount = AmountField(
        label="Refill Amount",
        max_length=40,
        help_text="What one refill charges; a larger gap is closed by one charge of a multiple.",
    )
    minimum_before_refill = AmountField(
        label="Minimum Before Refill",
        max_length=40,
        help_text="A refill is made when the balance falls to this or less.",
    )
    max_charges_per_day = forms.IntegerField(
        label="Charges a day, at most", widget=forms.TextInput({"inputmode": "numeric"}), help_text="1 to 100."
    )
    monthly_cap = AmountField(
        label="Charged a month, at most",
        max_length=40,
        help_text="Manual refills count too. Nothing is charged above it.",
    )
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, currency: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, AmountField):
                field.currency = currency
                field.widget.attrs["inputmode"] = "decimal"

    def rule(self) -> Rule:
        """What was typed, once it is valid."""
        return Rule(**{name: self.cleaned_data[name] for name in Rule.__slots__})

    def typed(self) -> dict[str, Any]:
        """What was typed, to be posted again."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}


@page(area=Area.PAYMENTS, write=True, methods="GET POST")
def change(request: PortalRequest, type_code: str) -> HttpResponse:
    """The form; what was typed, reviewed; what was reviewed, done. Whoever goes back finds what they typed."""
    account, gauge = request.account, _wallet(request, type_code)
    stored = rule.of_wallet(account.id, gauge.wallet_id)  # type: ignore[arg-type]
    if request.method == "GET":
        typed = request.GET if "refill_amount" in request.GET else _initial(stored, account.currency)
        return _form(request, gauge, RuleForm(account.currency, initial=typed))
    form = RuleForm(account.currency, request.POST)
    if form.is_valid():
        try:
            if request.POST.get("step") == "confirm":
                return _confirmed(request, gauge, form)
            if stored is not None and rule.rule_of(stored) == form.rule():
                form.add_error(None, "This is how it is set already; nothing would change.")
            else:
                return _review(request, gauge, stored, form, rule.preview(account, type_code, form.rule()))
        except Invalid as refusal:
            field = str(refusal.details.get("field", ""))
            form.add_error(field if field in form.fields else None, refusal.message)
        except Conflict as refusal:
            form = RuleForm(account.currency, _as_of(stored, request.POST))
            form.add_error(None, refusal.message)
    return _form(request, gauge, form, status=400)


@page(area=Area.PAYMENTS, write=True, methods="GET POST")
def release(request: PortalRequest, type_code: str) -> HttpResponse:
    """Let a wallet refill again after the breaker stopped it: what would happen, then do it."""
    account, gauge = request.account, _wallet(request, type_code)
    wallet_url = reverse("portal:wallet", args=[type_code])
    stored = rule.of_wallet(account.id, gauge.wallet_id)  # type: ignore[arg-type]
    if request.method == "POST":
        try:
            stops.release(account, type_code, actor_of(request.user))
            messages.success(request, f"{gauge.name} refills again by its rule.")
        except Conflict as refusal:
            messages.info(request, refusal.message)
        return HttpResponseRedirect(wallet_url)
    if stored is None or stored.tripped_at is None:
        return HttpResponseRedirect(wallet_url)
    due = gauge.balance <= stored.minimum_before_refill and stored.automatic
    amount = formats.money(rule.amount_for(stored, gauge.balance), account.currency)
    context = head(request, gauge) | {
        "title": f"Let {gauge.name} refill again",
        "sentences": [
            "Refills of this wallet were stopped because there were unusually many within an hour. Service went on.",
            "Look at the latest usage first: stolen credentials are used up as fast as they are refilled.",
        ],
        "effect": f"The balance is at or below the minimum: {amount} will be charged within a minute."
        if due
        else "Nothing is charged until the balance falls to the minimum.",
        "effect_tone": "warning" if due else "info",
        "confirm": "Let it refill",
        "back_url": wallet_url,
    }
    return render(request, "tollbook/portal/credits/review.html", context)


def _wallet(request: PortalRequest, type_code: str) -> Gauge:
    gauge = gauge_of(request.account, type_code)
    if gauge.wallet_id is None:
        raise NotFound("This account has no such wallet yet.")
    return gauge


def _as_of(stored: RefillRule | None, typed: QueryDict) -> QueryDict:
    """What was typed, to be reviewed against the rule as it is now."""
    data = typed.copy()
    data["version"] = str(stored.version if stored else 0)
    return data


def _initial(stored: RefillRule | None, currency: str) -> dict[str, Any]:
    if stored is None:
        return {"automatic": True, "max_charges_per_day": USUAL_CHARGES_PER_DAY, "version": 0}
    amounts = ("refill_amount", "minimum_before_refill", "monthly_cap")
    return {
        "automatic": stored.automatic,
        "max_charges_per_day": stored.max_charges_per_day,
        "version": stored.version,
    } | {name: f"{to_minor(getattr(stored, name), currency):f}" for name in amounts}


def _form(request: PortalRequest, gauge: Gauge, form: RuleForm, status: int = 200) -> HttpResponse:
    symbol = SYMBOLS.get(gauge.currency, gauge.currency)
    context = head(request, gauge) | {"form": form, "symbol": symbol}
    return render(request, "tollbook/portal/credits/rule.html", context, status=status)


def _confirmed(request: PortalRequest, gauge: Gauge, form: RuleForm) -> HttpResponse:
    version = form.cleaned_data["version"]
    changed = rule.change(request.account, gauge.type_code, form.rule(), actor_of(request.user), version)
    address = reverse("portal:wallet", args=[gauge.type_code])
    return HttpResponseRedirect(f"{address}?{urlencode({'changed': changed.version})}#refills")


def _review(
    request: PortalRequest, gauge: Gauge, stored: RefillRule | None, form: RuleForm, preview: Preview
) -> HttpResponse:
    new, address = form.rule(), reverse("portal:rule", args=[gauge.type_code])
    charges_now = new.automatic and gauge.balance <= new.minimum_before_refill
    context = head(request, gauge) | {
        "title": f"Review: refills of {gauge.name}",
        "changes": _changes(request.account, stored, new),
        "sentences": [preview.sentence],
        "effect": " ".join(preview.effects),
        "rehearsal": _rehearsal(preview.month, gauge.currency) if preview.month else [],
        "effect_tone": "warning" if charges_now else "info",
        "action_url": address,
        "hidden": form.typed() | {"step": "confirm"},
        "confirm": "Turn off automatic refill" if stored and stored.automatic and not new.automatic else "Confirm",
        "back_url": f"{address}?{urlencode(form.typed())}",
        "back": "Change something",
    }
    return render(request, "tollbook/portal/credits/review.html", context)


def _rehearsal(month: Effect, currency: str) -> list[tuple[str, str]]:
    """The figures of the last 30 days replayed against the new rule."""
    stopped = "none" if not month.stopped_days else f"{month.stopped_days} of {DAYS}"
    return [
        ("Used", formats.money(month.used, currency)),
        ("Charges", str(month.charges)),
        ("Charged in all", formats.money(month.total, currency)),
        ("Lowest balance", formats.money(month.lowest, currency)),
        ("Days on which a limit stops refills", stopped),
    ]


def _changes(account: Account, stored: RefillRule | None, new: Rule) -> list[tuple[str, str, str]]:
    """What differs: its name, how it is now, how it will be."""
    before = _told(rule.rule_of(stored), account.currency) if stored else {}
    after = _told(new, account.currency)
    return [
        (name, before.get(name, formats.NOTHING), value) for name, value in after.items() if before.get(name) != value
    ]


def _told(told: Rule, currency: str) -> dict[str, str]:
    return {
        "Automatic refill": "On" if told.automatic else "Off",
        "Refill Amount": formats.money(told.refill_amount, currency),
        "Minimum Before Refill": formats.money(told.minimum_before_refill, currency),
        "Charges a day, at most": formats.number(told.max_charges_per_day),
        "Charged a month, at most": formats.money(told.monthly_cap, currency),
    }


urls = [
    path("billing/credits/<slug:type_code>/rule/", change, name="rule"),
    path("billing/credits/<slug:type_code>/release/", release, name="release"),
]
