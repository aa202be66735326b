"""Signing in: invited people only, and the way there and back."""

from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from tollbook.accounts.tables import User


class InvitedOnly(DefaultAccountAdapter):
    """People are invited by their account or the operator; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Off to sign in, and then back: to this page, or, from the middle of a form, to the page the form was on."""
    here = request.get_full_path() if request.method in ("GET", "HEAD") else came_from(request)
    return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': here})}")


def came_from(request: HttpRequest, otherwise: str = "/") -> str:
    """The path of our own page that this request was sent from, `otherwise` when that is not known or not ours."""
    sent_from = request.headers.get("Referer", "")
    if not own_address(request, sent_from):
        return otherwise
    parts = urlsplit(sent_from)
    return parts.path + (f"?{parts.query}" if parts.query else "") or otherwise


def own_address(request: HttpRequest, url: str) -> bool:
    """Whether a redirect to this address stays on this site."""
    return url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())


def set_password_link(request: HttpRequest, user: User) -> str:
    """A link, good once and for three days, with which this user sets a password. `user.password` must be as stored."""
    key = default_token_generator.make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": key})
    return request.build_absolute_uri(path)
