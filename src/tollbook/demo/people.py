"""The demo's accounts and people. All passwords are `tollbook`, which is why the demo serves the loopback address only."""

from datetime import date, timedelta

from tollbook.accounts import access, user
from tollbook.accounts.access import Rights
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import Account, Area, Level, User
from tollbook.money.period import add_months
from tollbook.wallets.wallet import open_wallets

PASSWORD = "tollbook"

ACCOUNTS = {
    "northwind": {
        "name": "Northwind Contact Center",
        "legal_name": "Northwind Contact Center, Inc.",
        "address": "350 Fifth Avenue, Suite 4100\nNew York, NY 10118",
        "tax_id": "US 13-5550142",
        "po_number": "PO-2026-0417",
        "billing_email": "ap@northwind.example",
        "timezone": "America/New_York",
    },
    "contoso": {
        "name": "Contoso Support",
        "legal_name": "Contoso Support Ltd.",
        "address": "20 Harbour Street\nSeattle, WA 98104",
        "tax_id": "US 91-5550177",
        "billing_email": "billing@contoso.example",
        "timezone": "America/Los_Angeles",
    },
}
PEOPLE = [
    ("northwind", "owner@northwind.example", "Olivia Owens", Level.SUPER_ADMIN),
    ("northwind", "admin@northwind.example", "Adam Reyes", Level.ADMIN),
    ("northwind", "billing@northwind.example", "Bianca Lindqvist", Level.ADMIN),
    ("northwind", "agent@northwind.example", "Ada Okafor", Level.AGENT),
    ("contoso", "owner@contoso.example", "Carlos Ibarra", Level.SUPER_ADMIN),
    (None, "support@tollbook.example", "Sam Support", Level.STAFF),
]


def open_accounts(actor: Actor, today: date) -> dict[str, Account]:
    """The demo's accounts, by short name; opened a year ago, their last billing day five days ago. Safe to repeat."""
    anchor_on = add_months(today - timedelta(days=5), -12)
    found = {account.slug: account for account in Account.objects.filter(slug__in=ACCOUNTS)}
    for slug, described in ACCOUNTS.items():
        if slug not in found:
            found[slug] = open_account(NewAccount(slug=slug, anchor_on=anchor_on, **described), actor)
        open_wallets(found[slug])
    return found


def invite_people(accounts: dict[str, Account], actor: Actor) -> None:
    """The people, and the Super-Admin's grant of Billing to one of the Admins. Safe to repeat."""
    known = set(User.objects.values_list("email", flat=True))
    for slug, email, name, level in PEOPLE:
        if email not in known:
            user.add(accounts[slug] if slug else None, email, name, level, PASSWORD, actor)
    owner = User.objects.get(email="owner@northwind.example")
    clerk = User.objects.get(email="billing@northwind.example")
    if not access.may(clerk, Area.INVOICES):
        access.set_grants(owner, clerk, {area: Rights(read=True, write=True) for area in Area})
