"""The desk's addresses: each page file brings its own list."""

from tollbook.web.desk import (
    accounts,
    alerts,
    components,
    corrections,
    credit_notes,
    decks,
    drafts,
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
    *drafts.urls,
    *credit_notes.urls,
    *invoices.urls,
    *payments.urls,
    *refills.urls,
    *reports.urls,
    *alerts.urls,
    *refill.urls,
    *keys.urls,
]
