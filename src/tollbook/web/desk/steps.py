"""A form, its review, its confirmation: nothing happens before the last, and what was typed is never lost.

All three steps have one address. The form is posted and answered with the review, which says in sentences what would
happen; only the review's own button posts `confirmed`. A confirmation that is sent twice is the domain's to recognise: by
a `token` that becomes the identity of what is made, or by what it makes being unique.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpResponse
from django.shortcuts import render

from tollbook.errors import Refused
from tollbook.postgres.ids import new_id
from tollbook.web.desk.page import DeskRequest
from tollbook.web.errors import onto_form

NOT_ECHOED = ("csrfmiddlewaretoken", "confirmed", "token")


class Once(forms.Form):
    """A form whose confirmation makes one thing: the hidden token, made with the form, becomes its id."""

    token = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("token", new_id())

    def clean(self) -> dict[str, Any]:
        """Say above the form what can't be said beside a hidden field."""
        if "token" in self.errors:
            raise forms.ValidationError("This form was not complete. Open it again.")
        return self.cleaned_data


@dataclass(frozen=True, slots=True)
class Sheet:
    """What surrounds a form: `crumbs` are (address, name) pairs, `back` is where Cancel leads."""

    title: str
    section: str
    crumbs: Sequence[tuple[str, str]] = ()
    lead: str = ""
    button: str = "Review"

    @property
    def back(self) -> str:
        """The page above this one."""
        return self.crumbs[-1][0]


@dataclass(frozen=True, slots=True)
class Review:
    """What would happen: sentences, and what changes as (name, before, after). `carried` are hidden fields that the form
    made itself, out of an uploaded file.
    """

    title: str
    sentences: Sequence[str] = ()
    changes: Sequence[tuple[str, str, str]] = ()
    confirm: str = "Confirm"
    effect: str = ""
    danger: bool = False
    carried: Mapping[str, str] = field(default_factory=dict)


def typed(request: DeskRequest) -> Mapping[str, Any] | None:
    """What a form is bound to: the posted fields, None when the page is only looked at."""
    return request.POST if request.method == "POST" else None


def stepped(
    request: DeskRequest,
    form: forms.Form,
    sheet: Sheet,
    review: Callable[[dict[str, Any]], Review] | None,
    act: Callable[[dict[str, Any]], HttpResponse],
    **context: Any,
) -> HttpResponse:
    """One step: the form; or, when it is complete, the review; or, when that is confirmed, `act`'s answer.

    `review` and `act` get the cleaned values and may raise Refused, which lands beside its field. Without `review` the
    form acts at once: for what moves no money, gives no rights and can be taken back.
    """
    if not form.is_bound:
        form.initial = form.initial | _brought_back(request, form)
        return _form(request, form, sheet, 200, context)
    if not form.is_valid():
        return _form(request, form, sheet, 400, context)
    try:
        if review is None or request.POST.get("confirmed") == "yes":
            return act(form.cleaned_data)
        return _reviewed(request, form, sheet, review(form.cleaned_data))
    except Refused as refusal:
        return _form(request, form, sheet, onto_form(form, refusal), context)


def decided(
    request: DeskRequest, sheet: Sheet, review: Callable[[], Review], act: Callable[[], HttpResponse]
) -> HttpResponse:
    """A question with nothing to fill in: looked at, it is reviewed; posted, it is done. May raise Refused.

    What the review `carried` is posted with it.
    """
    if request.method == "POST":
        return act()
    asked = review()
    hidden = dict(asked.carried)
    context = {"sheet": sheet, "section": sheet.section, "review": asked, "hidden": hidden, "back_url": sheet.back}
    return render(request, "tollbook/desk/review.html", context)


def _form(
    request: DeskRequest, form: forms.Form, sheet: Sheet, status: int, context: Mapping[str, Any]
) -> HttpResponse:
    values = {"form": form, "sheet": sheet, "section": sheet.section, **context}
    return render(request, "tollbook/desk/form.html", values, status=status)


def _reviewed(request: DeskRequest, form: forms.Form, sheet: Sheet, review: Review) -> HttpResponse:
    echoed = {name: value for name, value in request.POST.items() if name not in NOT_ECHOED}
    hidden = {name: request.POST[name] for name in form.fields if name in request.POST}
    hidden |= {**review.carried, "confirmed": "yes"}
    context = {
        "sheet": sheet,
        "section": sheet.section,
        "review": review,
        "hidden": hidden,
        "back_url": f"{request.path}?{urlencode(echoed)}",
    }
    return render(request, "tollbook/desk/review.html", context)


def _brought_back(request: DeskRequest, form: forms.Form) -> dict[str, str]:
    """What "Go back" carries from the review to the form, or what a link suggests; a token is always new."""
    return {name: value for name, value in request.GET.items() if name in form.fields and name not in NOT_ECHOED}
