"""The desk's addresses: each page file brings its own list."""

from tollbook.web.desk import (
    accounts,
    alerts,
    components,
    corrections,
    decks,
    home,
    invoices,
    keys,
    payments,
    rates,
    refill,
    refills,
    reports,
    subscriptions,
    users,
    wallets,
)

app_name = "desk"
urlpatterns = [
    *home.urls,
    *accounts.urls,
    *wallets.urls,
    *corrections.urls,
    *users.urls,
    *rates.urls,
    *decks.urls,
    *components.urls,
    *subscriptions.urls,
    *invoices.urls,
    *payments.urls,
    *refills.urls,
    *reports.urls,
    *alerts.urls,
    *refill.urls,
    *keys.urls,
]
