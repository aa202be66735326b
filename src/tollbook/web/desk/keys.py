"""API keys of the operator and of accounts: made, shown once, revoked."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import key
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account, ApiKey
from tollbook.errors import NotFound
from tollbook.web.desk import lists
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.rates import AccountChoice
from tollbook.web.desk.steps import Once, Review, Sheet, decided, stepped, typed


class KeyForm(Once):
    """What the key is for."""

    account = AccountChoice(
        max_length=63, required=False, help_text="Short name. Empty for a key that reaches every account."
    )
    name = forms.CharField(max_length=100, help_text="What uses it, such as dialer-2.")
    scopes = forms.MultipleChoiceField(
        label="It may", choices=list(key.SCOPES.items()), widget=forms.CheckboxSelectMultiple
    )


@staff_page()
def keys(request: DeskRequest) -> HttpResponse:
    """All keys, living ones first, newest first."""
    by_id: dict[UUID, Account | None] = {OPERATOR_ID: None} | {one.id: one for one in Account.objects.all()}
    found = ApiKey.objects.filter(account_id__in=list(by_id)).order_by("-created_at")
    rows = sorted(found, key=lambda one: one.revoked_at is not None)
    page = lists.paged(request, rows)
    context = {
        "section": "keys",
        "page": page,
        "rows": [(by_id[one.account_id], one) for one in page],
        "trail": lists.trail(OPERATOR_ID, prefix="api_key/"),
    }
    return render(request, "tollbook/desk/keys.html", context)


@staff_page("GET POST")
def new(request: DeskRequest) -> HttpResponse:
    """Make a key; its text is shown by the answer, this once."""

    def act(values: dict[str, Any]) -> HttpResponse:
        owner = values["account"].id if values["account"] else OPERATOR_ID
        made, text = key.create(owner, values["name"], values["scopes"], request.actor, values["token"])
        return render(request, "tollbook/desk/key_made.html", {"key": made, "text": text, "section": "keys"})

    sheet = Sheet("Make an API key", "keys", [(reverse("desk:keys"), "API keys")], button="Make the key")
    return stepped(request, KeyForm(typed(request)), sheet, None, act)


@staff_page("GET POST")
def revoke(request: DeskRequest, id: UUID) -> HttpResponse:
    """End a key at once and for ever."""
    owners = [OPERATOR_ID, *Account.objects.values_list("id", flat=True)]
    shown = ApiKey.objects.filter(account_id__in=owners, id=id).first()
    if shown is None:
        raise NotFound("There is no such key.")

    def review() -> Review:
        says = ["What uses it is refused from its next request on.", "A revoked key never works again."]
        return Review(f"Revoke the key {shown.name}", says, confirm="Revoke", danger=True)

    def act() -> HttpResponse:
        key.revoke(shown.account_id, shown.id, request.actor)
        messages.success(request, f"The key {shown.name} is revoked.")
        return redirect("desk:keys")

    return decided(request, Sheet("", "keys", [(reverse("desk:keys"), "API keys")]), review, act)


urls = [
    path("keys/", keys, name="keys"),
    path("keys/new/", new, name="key-new"),
    path("keys/<uuid:id>/revoke/", revoke, name="key-revoke"),
]
