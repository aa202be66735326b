"""The portal's addresses: each page file brings its own list."""

from tollbook.web.portal import (
    access,
    billing,
    credits,
    events,
    home,
    invoice,
    invoices,
    rates,
    refill_now,
    refill_rule,
    refills,
    statement,
    stream,
    subscriptions,
    trail,
    users,
    wallet,
    where,
)

app_name = "portal"
urlpatterns = [
    *home.urls,
    *billing.urls,
    *invoices.urls,
    *invoice.urls,
    *subscriptions.urls,
    *credits.urls,
    *stream.urls,
    *rates.urls,
    *wallet.urls,
    *events.urls,
    *where.urls,
    *statement.urls,
    *refills.urls,
    *refill_rule.urls,
    *refill_now.urls,
    *users.urls,
    *access.urls,
    *trail.urls,
]
