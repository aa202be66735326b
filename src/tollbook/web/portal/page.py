"""`@page`: what every page of the portal goes through, before, around and after its view."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils import timezone, translation

from tollbook.accounts import access
from tollbook.accounts.access import Rights
from tollbook.accounts.level import at_least
from tollbook.accounts.tables import Account, Area, Level, User
from tollbook.errors import Forbidden, Invalid
from tollbook.postgres.scope import rows_of
from tollbook.web.declared import Declared
from tollbook.web.portal.denied import denied
from tollbook.web.sign_in import to_sign_in

View = Callable[..., HttpResponseBase]
Choice = TypeVar("Choice")


class PortalRequest(HttpRequest):
    """What a view under `@page` receives: who asks, for which account, with what rights."""

    user: User
    account: Account
    rights: dict[Area, Rights]


def page(
    area: Area | tuple[Area, ...] | None = None,
    write: bool = False,
    level: Level | None = None,
    write_level: Level | None = None,
    methods: str = "GET",
    scope: bool = True,
) -> Callable[[View], View]:
    """Make a view a page for account users.

    - Not signed in (or deactivated since): to sign in, and back here. Staff: to the desk.
    - `area`: needs Read in it (a tuple: in any of them), and Write for every method but GET; `write=True`: for GET too.
      Otherwise the page that says who can grant access, with status 403. `level`: the lowest level let in, 403 below;
      `write_level`: the lowest that may use other methods than GET.
    - `methods`: what the view answers, such as `"GET POST"`; HEAD comes with GET.
    - View and template run in one transaction as the portal's role, which sees the account's rows only; an exception rolls
      it back. `request.account`, `request.rights`, the account's time zone and language are set.
    - `scope=False`: only the checks run in that transaction. For answers that stream, which outlive their view and must
      enter `rows_of` themselves, and for the few views that need the engine's role for one step.
    """
    areas = area if isinstance(area, tuple) else () if area is None else (area,)
    allowed = tuple(methods.split()) + (("HEAD",) if "GET" in methods.split() else ())
    declared = Declared("portal", areas, write, level, write_level, allowed)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: PortalRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            elsewhere = _turned_away(request, declared)
            if elsewhere is not None:
                return elsewhere
            with account_of(request), rows_of(request.account.id):
                refusal = _refusal(request, declared)
                if refusal is not None or scope:
                    return _rendered(refusal or view(request, *args, **kwargs), scope)
            with account_of(request):
                return _rendered(view(request, *args, **kwargs), scope)

        guarded.declared = declared  # type: ignore[attr-defined]
        return guarded

    return decorate


@contextmanager
def account_of(request: PortalRequest) -> Iterator[None]:
    """The user's account on the request, and its time zone and language for the length of the block."""
    request.account = request.user.account
    with timezone.override(request.account.timezone), translation.override(request.account.locale):
        yield


def chosen(request: HttpRequest, name: str, choices: Mapping[str, Choice]) -> Choice:
    """What the pressed button of a form stands for. Raises Invalid for anything else, so that nothing is done by default."""
    if request.POST.get(name) not in choices:
        raise Invalid("This form was not complete.")
    return choices[request.POST[name]]


def _turned_away(request: HttpRequest, declared: Declared) -> HttpResponse | None:
    if not request.user.is_authenticated:
        return to_sign_in(request)
    if request.user.level == Level.STAFF:
        return HttpResponseRedirect("/desk/")
    if request.method not in declared.methods:
        return HttpResponseNotAllowed(declared.methods)
    return None


def _refusal(request: PortalRequest, declared: Declared) -> HttpResponse | None:
    """The page without access, None when the user may go on. Raises Forbidden for what no grant could change."""
    lowest = declared.level_for(request.method or "")
    if lowest and not at_least(request.user, lowest):
        raise Forbidden(f"This is for {lowest.label}s{_and_higher(lowest)}.")
    request.rights = access.rights(request.user)
    if not declared.areas:
        return None
    held = [request.rights[area] for area in declared.areas]
    if not any(right.read for right in held):
        return denied(request, declared.areas, request.rights)
    if declared.needs_write(request.method or "") and not any(right.write for right in held):
        raise Forbidden(_ask_for_write(request, declared.areas[0]))
    return None


def _and_higher(level: Level) -> str:
    return "" if level == Level.SUPER_ADMIN else " and higher levels"


def _ask_for_write(request: PortalRequest, area: Area) -> str:
    emails = " or ".join(user.email for user in access.who_can_grant(request.account.id))
    return f"You may look at {area.label}, but not change anything there. Ask {emails or 'Support'} for Write."


def _rendered(response: HttpResponseBase, scoped: bool) -> HttpResponseBase:
    """The answer with its template rendered, while the account's rows can be seen."""
    if scoped and response.streaming:
        raise RuntimeError(
            "An answer that streams outlives its page's scope: use @page(..., scope=False) and rows_of()"
        )
    render = getattr(response, "render", None)
    return render() if callable(render) else response
