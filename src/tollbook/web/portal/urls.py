"""The portal's addresses: each page file brings its own list."""

from tollbook.web.portal import access, billing, home, invoice, invoices, subscriptions, trail, users

app_name = "portal"
urlpatterns = [
    *home.urls,
    *billing.urls,
    *invoices.urls,
    *invoice.urls,
    *subscriptions.urls,
    *users.urls,
    *access.urls,
    *trail.urls,
]
