"""What the demo's customers did before today: subscribed a year ago, paid most invoices, added cards, bought credit."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor, actor_of
from tollbook.accounts.tables import Account, User
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.run import bill
from tollbook.invoicing.settle import settle
from tollbook.invoicing.tables import Invoice, InvoiceKind, OpenBalance
from tollbook.money.period import period_number, period_of
from tollbook.payments import method
from tollbook.payments.method import NewMethod
from tollbook.payments.receive import receive
from tollbook.refills import rule, run
from tollbook.refills.rule import Rule
from tollbook.subscriptions.component import offer
from tollbook.subscriptions.subscribe import NewSubscription, start
from tollbook.subscriptions.tables import FeeKind, Subscription

COMPONENTS = [
    ("agent-seat", "Agent seat", FeeKind.RECURRING, "29.00"),
    ("phone-number", "Local phone number", FeeKind.RECURRING, "1.50"),
    ("toll-free-number", "Toll-free number", FeeKind.RECURRING, "3.00"),
    ("recording-storage", "Call recording storage, 100 GB", FeeKind.RECURRING, "12.00"),
    ("support-premium", "Premium support", FeeKind.RECURRING, "250.00"),
    ("onboarding", "Onboarding and training", FeeKind.SETUP, "1500.00"),
    ("number-porting", "Number porting", FeeKind.SETUP, "300.00"),
]
SUBSCRIPTIONS = {
    "northwind": [("agent-seat", 42), ("phone-number", 120), ("toll-free-number", 6), ("recording-storage", 4)]
    + [("support-premium", 1), ("onboarding", 1), ("number-porting", 1)],
    "contoso": [("agent-seat", 6), ("phone-number", 10), ("onboarding", 1)],
}
CARDS = {
    "northwind": [("sim_4242", "Visa", "4242"), ("sim_4444", "Mastercard", "4444")],
    "contoso": [("sim_4242", "Visa", "4242")],
}


@dataclass(frozen=True, slots=True)
class Bought:
    """Credit bought at the start, and the refill rule of its wallet (amounts in US dollars)."""

    type_code: str
    amount: str
    refill_amount: str
    minimum: str
    automatic: bool = True


BOUGHT = {
    "northwind": [
        Bought("email", "150", "50", "20"),
        Bought("ringless_voicemail", "150", "100", "25"),
        Bought("speech_to_text", "250", "150", "50"),
        Bought("conversational_ai", "500", "300", "75"),
        Bought("sms", "115", "25", "10"),
        Bought("inbound", "600", "300", "75", automatic=False),
        Bought("outbound", "500", "500", "50"),
    ],
    "contoso": [
        Bought("conversational_ai", "25", "25", "5"),
        Bought("sms", "25", "25", "5"),
        Bought("inbound", "50", "50", "10"),
        Bought("outbound", "50", "50", "10"),
    ],
}
SHORT_PAID_PERIOD = 10
"""The period whose invoice was paid in part, and so is overdue by now."""


def subscribe(accounts: dict[str, Account], actor: Actor) -> None:
    """Offer the components and subscribe each account from its first billing day on. Safe to repeat."""
    for code, name, kind, price in COMPONENTS:
        offer(code, name, kind, Decimal(price), actor)
    for slug, account in accounts.items():
        known = set(Subscription.objects.filter(account_id=account.id).values_list("component_code", flat=True))
        for code, quantity in SUBSCRIPTIONS[slug]:
            if code not in known:
                start(account, NewSubscription(code, account.anchor_on, Decimal(quantity)), actor)


def bill_the_year(accounts: dict[str, Account], actor: Actor) -> None:
    """Invoice each month on its billing day, and book what was paid in between. Safe to repeat."""
    northwind = accounts["northwind"]
    today = today_in(northwind)
    last = period_of(northwind.anchor_on, today).index
    for index in range(last + 1):
        if index == last:
            _order_numbers(northwind, today, actor)
        period = period_number(northwind.anchor_on, index)
        bill(period.start_on)
        if index < last:
            for account in accounts.values():
                _pay(account, period.start_on, short=index == SHORT_PAID_PERIOD and account == northwind, actor=actor)


def _order_numbers(account: Account, today: date, actor: Actor) -> None:
    """An order between two billing days; due two days ago, so within its days of grace."""
    line = DraftLine("Number porting, Chicago office", "12 numbers", Decimal(12), Decimal(15), Decimal(180), "revenue:setup")
    issued_on = today - timedelta(days=account.terms_days + 2)
    if not Invoice.objects.filter(account_id=account.id, cause="order:chicago").exists():
        with transaction.atomic():
            issue(account, Draft(InvoiceKind.RECURRING, "order:chicago", issued_on, [line], actor=actor.name))


def _pay(account: Account, day: date, short: bool, actor: Actor) -> None:
    """Settle what was issued by `day` and is still whole, by bank transfer; half of it when `short`."""
    for invoice in Invoice.objects.filter(account_id=account.id, issued_on__lte=day).order_by("sequence"):
        balance = OpenBalance.objects.get(account_id=account.id, invoice_id=invoice.id).balance
        if balance == 0 or balance != invoice.total:
            continue
        amount = (balance / 2).quantize(Decimal("0.01")) if short else balance
        with transaction.atomic():
            reference = f"transfer-{invoice.number}"
            payment = receive(account.id, "manual", reference, amount, account.currency, "Bank transfer", actor.name)
            settle(account.id, invoice.id, payment.id, amount)


def buy_credit(accounts: dict[str, Account]) -> None:
    """Add cards, buy the first credit with them through the refill machine, and set the rules. Safe to repeat."""
    for slug, account in accounts.items():
        owner = actor_of(User.objects.get(email=f"owner@{slug}.example"))
        known = {card.token for card in method.of_account(account.id)}
        for token, brand, last4 in CARDS[slug]:
            if token not in known:
                method.add(account.id, NewMethod("simulated", token, brand, last4, 11, today_in(account).year + 2), owner)
        for bought in BOUGHT[slug]:
            _buy(account, bought, owner)


def _buy(account: Account, bought: Bought, owner: Actor) -> None:
    wallet = rule.wallet_of(account.id, bought.type_code)
    if rule.of_wallet(account.id, wallet.id) is not None:
        return
    if wallet.funded_at is None:
        known = f"demo:{bought.type_code}"
        refill = run.ask(account, bought.type_code, Decimal(bought.amount), owner, request_key=known)
        run.step(account.id, refill.id)
    wanted = Rule(
        automatic=bought.automatic,
        refill_amount=Decimal(bought.refill_amount),
        minimum_before_refill=Decimal(bought.minimum),
        monthly_cap=Decimal(5000),
        max_charges_per_day=20,
    )
    rule.change(account, bought.type_code, wanted, owner)
