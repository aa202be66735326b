"""The desk's addresses: each page file brings its own list."""

from tollbook.web.desk import accounts, home, users, wallets

app_name = "desk"
urlpatterns = [
    *home.urls,
    *accounts.urls,
    *users.urls,
    *wallets.urls,
]
