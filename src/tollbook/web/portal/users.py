"""Users: the list, one user, inviting, and links that set a password."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from tollbook.accounts import access, user
from tollbook.accounts.level import EDITORS, is_super_admin, levels_below
from tollbook.accounts.tables import Area, User
from tollbook.errors import Refused
from tollbook.web.errors import onto_form
from tollbook.web.portal.page import PortalRequest, chosen, page
from tollbook.web.sign_in import set_password_link


class PersonForm(forms.Form):
    """What may be changed about a user."""

    name = forms.CharField(max_length=150, required=False)
    level = forms.ChoiceField()

    def __init__(self, editor: User, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["level"].choices = [(level.value, level.label) for level in levels_below(editor)]


class InvitationForm(PersonForm):
    """What is needed to invite somebody."""

    email = forms.EmailField(label="Email address", max_length=254)
    field_order = ["email", "name", "level"]


@page(level=EDITORS)
def users(request: PortalRequest) -> HttpResponse:
    """Everybody in the account."""
    people = user.of_account(request.account.id)
    return render(request, "tollbook/portal/users.html", {"people": people, "asking": _asking(request)})


@page(level=EDITORS, methods="GET POST")
def new(request: PortalRequest) -> HttpResponse:
    """Invite somebody; the answer shows the link with which they set their password, this once."""
    form = InvitationForm(request.user, request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            added = user.invite(request.user, **form.cleaned_data)
        except Refused as refusal:
            status = onto_form(form, refusal)
        else:
            return _with_link(request, added, f"{added.email} is invited")
    return render(request, "tollbook/portal/user_new.html", {"form": form}, status=status)


@page(level=EDITORS, methods="GET POST")
def person(request: PortalRequest, id: UUID) -> HttpResponse:
    """One user: name, level, whether they are active; to be changed by who may."""
    shown = user.find(request.account.id, id)
    form = PersonForm(request.user, request.POST or None, initial={"name": shown.name, "level": shown.level})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                user.rename(request.user, shown, form.cleaned_data["name"])
                user.change_level(request.user, shown, form.cleaned_data["level"])
        except Refused as refusal:
            status = onto_form(form, refusal)
        else:
            messages.success(request, f"{shown.email} is saved.")
            return redirect("portal:user", id)
    return render(request, "tollbook/portal/user.html", _about(request, shown) | {"form": form}, status=status)


@page(level=EDITORS, methods="POST")
def switch(request: PortalRequest, id: UUID) -> HttpResponse:
    """Deactivate a user or let them in again."""
    shown = user.find(request.account.id, id)
    active = chosen(request, "active", {"on": True, "off": False})
    changed = user.set_active(request.user, shown, active)
    done = "can sign in again" if active else "is deactivated. Open sessions end with their next click"
    messages.success(request, f"{changed.email} {done}.")
    return redirect("portal:user", id)


@page(level=EDITORS, methods="POST", scope=False)
def link(request: PortalRequest, id: UUID) -> HttpResponse:
    """A new link to set a password. Outside the account's scope, because the portal's role can't touch passwords."""
    changed = user.forget_password(request.user, user.find(request.account.id, id))
    return _with_link(request, changed, f"A new link for {changed.email}")


def _with_link(request: PortalRequest, invited: User, title: str) -> HttpResponse:
    context = {"person": invited, "title": title, "link": set_password_link(request, invited)}
    return render(request, "tollbook/portal/user_link.html", context)


def _about(request: PortalRequest, shown: User) -> dict[str, object]:
    held = access.granted(shown)
    return {
        "person": shown,
        "may_edit": user.may_edit(request.user, shown),
        "may_send_link": user.may_send_link(request.user, shown),
        "rights": [(area, held[area]) for area in Area],
        "asked": next((asked for asked in access.open_requests(request.account.id) if asked.user.id == shown.id), None),
    }


def _asking(request: PortalRequest) -> set[UUID]:
    """The users who wait for access, for the one who can grant it."""
    if not is_super_admin(request.user):
        return set()
    return {asked.user.id for asked in access.open_requests(request.account.id)}


urls = [
    path("users/", users, name="users"),
    path("users/new/", new, name="user-new"),
    path("users/<uuid:id>/", person, name="user"),
    path("users/<uuid:id>/active/", switch, name="user-active"),
    path("users/<uuid:id>/link/", link, name="user-link"),
]
