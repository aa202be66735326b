"""The portal's addresses: each page file brings its own list."""

from tollbook.web.portal import access, billing, home, trail, users

app_name = "portal"
urlpatterns = [
    *home.urls,
    *billing.urls,
    *users.urls,
    *access.urls,
    *trail.urls,
]
