"""The doors for people: sign-in, the portal, the desk."""

from allauth.account import views as sign_in
from django.urls import include, path, re_path
from django.views.decorators.http import require_POST

from tollbook.web import frame

handler400 = frame.bad_request
handler403 = frame.forbidden
handler404 = frame.not_found
handler500 = frame.went_wrong

# Under our own addresses, with the names that django-allauth knows them by. Nothing else of it is reachable.
SIGN_IN = [
    path("sign-in/", sign_in.login, name="account_login"),
    path("sign-in/switched-off/", sign_in.account_inactive, name="account_inactive"),
    path("sign-out/", require_POST(sign_in.logout), name="account_logout"),
    path("password/", sign_in.password_change, name="account_change_password"),
    path("password/reset/", sign_in.password_reset, name="account_reset_password"),
    path("password/reset/sent/", sign_in.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/set/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        sign_in.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("password/set/done/", sign_in.password_reset_from_key_done, name="account_reset_password_from_key_done"),
]

urlpatterns = [
    *SIGN_IN,
    path("brand.css", frame.brand_css, name="brand"),
    path("desk/", include("tollbook.web.desk.urls")),
    path("", include("tollbook.web.portal.urls")),
]
