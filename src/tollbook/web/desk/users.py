"""People: the list, adding somebody, name and level, deactivating, links that set a password, what they may do."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from tollbook.accounts import access, user
from tollbook.accounts import account as accounts
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account, Area, Level, User
from tollbook.errors import NotFound
from tollbook.web.desk import lists
from tollbook.web.desk.accounts import above
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.steps import Review, Sheet, decided, stepped, typed
from tollbook.web.sign_in import set_password_link

NOBODY = "–"


class NewUserForm(forms.Form):
    """Who is added, and where."""

    account = forms.SlugField(
        max_length=63, required=False, help_text="The short name of their account. Empty for the operator's own staff."
    )
    email = forms.EmailField(label="Email address", max_length=190)
    name = forms.CharField(max_length=150, required=False)
    level = forms.ChoiceField(choices=Level.choices)

    def clean_account(self) -> Account | None:
        """The account itself."""
        slug = self.cleaned_data["account"]
        try:
            return accounts.by_slug(slug) if slug else None
        except NotFound as unknown:
            raise forms.ValidationError(unknown.message) from None


class UserForm(forms.Form):
    """What may be changed about a user. Staff have no other level."""

    name = forms.CharField(max_length=150, required=False)
    level = forms.ChoiceField(choices=[choice for choice in Level.choices if choice[0] != Level.STAFF])

    def __init__(self, shown: User, data: Any) -> None:
        super().__init__(data, initial={"name": shown.name, "level": shown.level})
        if shown.level == Level.STAFF:
            del self.fields["level"]


@staff_page()
def users(request: DeskRequest) -> HttpResponse:
    """Everybody, by email; filtered by a part of email or name, and by level."""
    q, level = request.GET.get("q", "").strip().replace("\0", ""), request.GET.get("level", "")
    people = User.objects.defer("password").select_related("account").order_by("email")
    people = people.filter(Q(email__icontains=q) | Q(name__icontains=q))
    if level in Level.values:
        people = people.filter(level=level)
    context = {
        "page": lists.paged(request, people),
        "q": q,
        "level": level,
        "levels": Level.choices,
        "section": "users",
    }
    return render(request, "tollbook/desk/users.html", context)


@staff_page("GET POST")
def new(request: DeskRequest) -> HttpResponse:
    """Add somebody; the answer shows the link with which they set their password, this once."""

    def review(values: dict[str, Any]) -> Review:
        with transaction.atomic():  # rehearsed by the verb itself, and taken back
            user.add(**values, password=None, actor=request.actor)
            transaction.set_rollback(True)
        level, home = Level(values["level"]).label, values["account"]
        return Review(
            f"Add {values['email']}",
            [
                f"{level} of {home.name}." if home else "Staff see and change every account, as you do.",
                "You get a link with which they choose a password. It is shown once.",
            ],
            confirm="Add the user",
            danger=home is None,
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        added = user.add(**values, password=None, actor=request.actor)
        return _with_link(request, added, f"{added.email} is added")

    sheet = Sheet("Add a user", "users", [(reverse("desk:users"), "Users")])
    return stepped(request, NewUserForm(typed(request)), sheet, review, act)


@staff_page()
def person(request: DeskRequest, id: UUID) -> HttpResponse:
    """One user: level, sign-in, access to Billing, trail."""
    shown = user.anybody(id)
    context = {
        "section": "users",
        "person": shown,
        "crumbs": _above(shown)[:-1],
        "may_edit": user.may_edit(request.user, shown),
        "may_send_link": user.may_send_link(request.user, shown),
        "rights": [(area, access.granted(shown)[area]) for area in Area] if shown.account_id else [],
        "trail": lists.trail(shown.account_id or OPERATOR_ID, f"user/{shown.email}"),
    }
    return render(request, "tollbook/desk/user.html", context)


@staff_page("GET POST")
def edit(request: DeskRequest, id: UUID) -> HttpResponse:
    """Another name or level."""
    shown = user.anybody(id)

    def change(values: dict[str, Any]) -> None:
        user.rename(request.user, shown, values["name"])
        if "level" in values:
            user.change_level(request.user, shown, values["level"])

    def review(values: dict[str, Any]) -> Review:
        with transaction.atomic():
            change(values)
            transaction.set_rollback(True)
        rows = [("Name", shown.name or NOBODY, values["name"] or NOBODY)]
        rows += [("Level", shown.get_level_display(), Level(values["level"]).label)] if "level" in values else []
        changed = [row for row in rows if row[1] != row[2]]
        says = [] if changed else ["Nothing would change."]
        says += ["Rights in Billing that were granted one by one stay as they are."] if len(changed) == 2 else []
        return Review(f"Change {shown.email}", says, changed, confirm="Save")

    def act(values: dict[str, Any]) -> HttpResponse:
        with transaction.atomic():
            change(values)
        messages.success(request, f"{shown.email} is saved.")
        return redirect("desk:user", id)

    sheet = Sheet(f"Edit {shown.email}", "users", _above(shown))
    return stepped(request, UserForm(shown, typed(request)), sheet, review, act)


@staff_page("GET POST")
def switch(request: DeskRequest, id: UUID) -> HttpResponse:
    """Deactivate a user, or let them in again; which of the two, the address says, so that a repeated click does nothing."""
    shown = user.anybody(id)
    active = request.GET.get("to") == "on"

    def review() -> Review:
        if active:
            return Review(
                f"Let {shown.email} in again",
                ["They have their old password, level and access again."],
                confirm="Reactivate",
            )
        says = ["They can't sign in, and open sessions end with the next click.", "Nothing is deleted."]
        return Review(f"Deactivate {shown.email}", says, confirm="Deactivate", danger=True)

    def act() -> HttpResponse:
        user.set_active(request.user, shown, active)
        done = "can sign in again" if active else "is deactivated"
        messages.success(request, f"{shown.email} {done}.")
        return redirect("desk:user", id)

    return decided(request, Sheet("", "users", _above(shown)), review, act)


@staff_page("GET POST")
def link(request: DeskRequest, id: UUID) -> HttpResponse:
    """A new link to set a password; the old password ends."""
    shown = user.anybody(id)

    def review() -> Review:
        says = ["Their present password and open sessions end at once.", "The link is shown once; send it to them."]
        return Review(f"Make a new link for {shown.email}", says, confirm="Make the link", danger=True)

    def act() -> HttpResponse:
        changed = user.forget_password(request.user, shown)
        return _with_link(request, changed, f"A new link for {changed.email}")

    return decided(request, Sheet("", "users", _above(shown)), review, act)


def _with_link(request: DeskRequest, added: User, title: str) -> HttpResponse:
    context = {"person": added, "title": title, "link": set_password_link(request, added), "section": "users"}
    return render(request, "tollbook/desk/user_link.html", context)


def _above(shown: User) -> list[tuple[str, str]]:
    place = (reverse("desk:user", args=[shown.id]), shown.email)
    return [*(above(shown.account) if shown.account else [(reverse("desk:users"), "Users")]), place]


urls = [
    path("users/", users, name="users"),
    path("users/new/", new, name="user-new"),
    path("users/<uuid:id>/", person, name="user"),
    path("users/<uuid:id>/edit/", edit, name="user-edit"),
    path("users/<uuid:id>/active/", switch, name="user-active"),
    path("users/<uuid:id>/link/", link, name="user-link"),
]
