"""Which of Stripe's customers stand for an account: the one its cards are kept under, and any it had before."""

from datetime import UTC, datetime
from uuid import UUID

import stripe

from tollbook.accounts.account import by_id
from tollbook.payments.install import install_id
from tollbook.payments.stripe.answers import NAME
from tollbook.payments.tables import GatewayCustomer


def of_account(account_id: UUID) -> list[str]:
    """Newest first; none before the first card."""
    known = GatewayCustomer.objects.filter(account_id=account_id, gateway=NAME).order_by("-created_at")
    return list(known.values_list("reference", flat=True))


def customer(client: stripe.StripeClient, account_id: UUID) -> str:
    """The account's customer, made when there is none: of two that make it at once, both get the same one, by key."""
    known = of_account(account_id)
    if known:
        return known[0]
    account, install = by_id(account_id), install_id()
    about = {"tollbook_install": install, "tollbook_account": str(account_id)}
    made = client.v1.customers.create(
        {"name": account.name, "metadata": about}, {"idempotency_key": f"{install}:customer:{account_id}"}
    )
    row = GatewayCustomer(account_id=account_id, gateway=NAME, reference=made.id, created_at=datetime.now(UTC))
    GatewayCustomer.objects.bulk_create([row], ignore_conflicts=True)
    return made.id
