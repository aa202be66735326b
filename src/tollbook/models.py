"""Gathers the models of the domain packages for Django, which looks for them here. Nothing else imports this module."""

from tollbook.accounts import tables as accounts
from tollbook.alerts import tables as alerts
from tollbook.invoicing import tables as invoicing
from tollbook.ledger import tables as ledger
from tollbook.payments import tables as payments
from tollbook.rating import tables as rating
from tollbook.refills import tables as refills
from tollbook.subscriptions import tables as subscriptions
from tollbook.usage import tables as usage
from tollbook.wallets import tables as wallets
from tollbook.worker import tables as worker

__all__ = [
    "accounts", "alerts", "invoicing", "ledger", "payments", "rating", "refills", "subscriptions", "usage", "wallets",
    "worker",
]  # fmt: skip
