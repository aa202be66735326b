"""What surrounds every page: the operator's name and colour, the user's menu, and pages for when things go wrong."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import cache_control

from tollbook import logs
from tollbook.accounts import access
from tollbook.accounts.level import EDITORS, at_least, is_super_admin
from tollbook.accounts.tables import Level, User
from tollbook.web import brand


def frame(request: HttpRequest) -> dict[str, Any]:
    """Template context of every page. Costs a query only where a template asks for the open requests."""
    context = {"operator": settings.OPERATOR, "mail_works": bool(settings.EMAIL_HOST)}
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or user.level == Level.STAFF:
        return context
    return context | {
        "account": user.account,
        "may_see_users": at_least(user, EDITORS),
        "is_super_admin": is_super_admin(user),
        "open_access_requests": _once(user),
    }


def _once(user: User) -> Any:
    """A function that counts at the first call only, and for Super-Admins only."""
    return cache(lambda: len(access.open_requests(user.account_id)) if is_super_admin(user) else 0)


@cache_control(public=True, max_age=3600)
def brand_css(request: HttpRequest) -> HttpResponse:
    """`/brand.css`: the operator's colour, made readable."""
    return HttpResponse(brand.stylesheet(settings.OPERATOR["accent"]), content_type="text/css; charset=utf-8")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for a request that can't be understood; without the user, who may not be known yet."""
    return HttpResponse(render_to_string("400.html", {"operator": settings.OPERATOR}), status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for what this user may not do."""
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for an address where there is nothing, or nothing of this account's."""
    return render(request, "404.html", status=404)


def went_wrong(request: HttpRequest) -> HttpResponse:
    """The page for a defect of ours. Needs neither database nor session, since they may be what is broken."""
    context = {"operator": settings.OPERATOR, "request_id": logs.request_id.get()}
    return HttpResponse(render_to_string("500.html", context), status=500)
