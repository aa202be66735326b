"""What makes a view a page of the desk: staff only, and whoever acts is named in the audit trail."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from tollbook.accounts.audit import Actor, actor_of
from tollbook.accounts.tables import Level, User
from tollbook.errors import Forbidden
from tollbook.web.declared import Declared
from tollbook.web.sign_in import to_sign_in

View = Callable[..., HttpResponseBase]


class DeskRequest(HttpRequest):
    """What a view under `@staff_page` receives: who asks, and as whom they act."""

    user: User
    actor: Actor


def staff_page(methods: str = "GET") -> Callable[[View], View]:
    """Make a view a page for the operator's staff; HEAD comes with GET.

    Not signed in (or deactivated since): to sign in, and back here. An account's user: 403, and nothing is looked up. The
    view runs as the engine's role, which sees every account, so each of its queries names the account it is about; each
    verb has a transaction of its own. Times are UTC.
    """
    allowed = tuple(methods.split()) + (("HEAD",) if "GET" in methods.split() else ())
    declared = Declared("desk", level=Level.STAFF, methods=allowed)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: DeskRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            if request.user.level != Level.STAFF:
                raise Forbidden("The desk is for the operator's staff. Your account's pages start at Home.")
            if request.method not in declared.methods:
                return HttpResponseNotAllowed(declared.methods)
            request.actor = actor_of(request.user)
            return view(request, *args, **kwargs)

        guarded.declared = declared  # type: ignore[attr-defined]
        return guarded

    return decorate
