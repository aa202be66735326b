"""An account that owes invoices and pays them: the verbs that tests of payments speak."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from tests.cast import an_account
from tests.databases import Database
from tests.many_invoices import recount
from tests.refills.shop import OWNER, SUPPORT
from tollbook.accounts.account import today_in
from tollbook.audit.books import audit
from tollbook.invoicing.issue import Draft, DraftLine, issue
from tollbook.invoicing.tables import Invoice, OpenBalance
from tollbook.ledger.balance import sums
from tollbook.payments import collect, dunning, intent, method
from tollbook.payments.gateway import NewMethod
from tollbook.payments.intent import Wish
from tollbook.payments.simulated import CARDS
from tollbook.payments.tables import IntentState, Payment, PaymentIntent, PaymentMethod, SimulatedCharge
from tollbook.postgres.ids import new_id

ZERO = Decimal(0)


class Till:
    """One account; its card, its invoices, what it paid."""

    def __init__(self, db: Database, slug: str = "northwind") -> None:
        self.db = db
        self.account = an_account(slug)
        self.id = self.account.id

    def card(self, token: str = "sim_4242") -> PaymentMethod:
        card = CARDS[token]
        added = method.add(self.id, NewMethod("simulated", token, card.brand, card.last4, 12, 2040), OWNER)
        method.make_default(self.id, added.id, OWNER)
        return added

    def invoice(self, amount: str = "100.00", days_ago: int = 0) -> Invoice:
        line = DraftLine("Agent seat", "", Decimal(1), Decimal(amount), Decimal(amount), "revenue:recurring")
        day = today_in(self.account) - timedelta(days=days_ago)
        with transaction.atomic():
            return issue(self.account, Draft("recurring", f"test:{new_id()}", day, [line]))

    def owed(self, invoice: Invoice) -> Decimal:
        return OpenBalance.objects.get(account_id=self.id, invoice_id=invoice.id).balance

    def wish(self, invoice: Invoice, card: PaymentMethod | None, amount: str = "", **more: Any) -> Wish:
        owed = self.owed(invoice)
        values = {"seen": owed, "reason": "For a test."} | more
        return Wish(invoice.id, Decimal(amount) if amount else owed, card.id if card else None, **values)

    def ask(self, invoice: Invoice, card: PaymentMethod | None, amount: str = "", **more: Any) -> PaymentIntent:
        return collect.ask(self.account, self.wish(invoice, card, amount, **more), OWNER)

    def pay(self, invoice: Invoice, card: PaymentMethod | None, amount: str = "", **more: Any) -> PaymentIntent:
        asked = self.ask(invoice, card, amount, **more)
        collect.step(self.id, asked.id)
        return intent.find(self.id, asked.id)

    def payment(self, invoice: Invoice, card: PaymentMethod, amount: str = "") -> Payment:
        paid = self.pay(invoice, card, amount)
        assert paid.state == IntentState.SUCCEEDED, paid.outcome
        return Payment.objects.get(account_id=self.id, id=paid.payment_id)

    def collects(self, *days: int) -> None:
        dunning.set_schedule(True, days or dunning.USUAL_DAYS, "For a test.", SUPPORT)

    def intents(self) -> list[PaymentIntent]:
        return list(PaymentIntent.objects.filter(account_id=self.id).order_by("decided_at", "id"))

    def states(self) -> Counter[str]:
        return Counter(one.state for one in self.intents())

    def charged(self) -> Decimal:
        """What the gateway took, by its own memory."""
        taken = SimulatedCharge.objects.filter(account_id=self.id, outcome="succeeded")
        return taken.aggregate(sum=Sum("amount"))["sum"] or ZERO

    def given_back(self) -> Decimal:
        given = SimulatedCharge.objects.filter(account_id=self.id, outcome="refund")
        return given.aggregate(sum=Sum("amount"))["sum"] or ZERO

    def book(self, code: str) -> Decimal:
        return sums(self.id).get(code, ZERO)

    def later(self, **duration: float) -> None:
        """Let time pass: everything about payments lies that much further back."""
        step = timedelta(**duration)
        columns = {
            "payment_intent": (
                "decided_at",
                "charging_at",
                "sent_at",
                "asked_at",
                "finished_at",
                "next_ask_at",
                "confirm_by",
                "given_up_at",
                "needs_person_at",
            ),
            "refund": ("decided_at", "sent_at", "asked_at", "finished_at"),
            "card_attempt": ("began_at", "failed_at"),
            "simulated_charge": ("created_at",),
        }
        days = "issued_on = issued_on - %(days)s, due_on = due_on - %(days)s, grace_until_on = grace_until_on - %(days)s"
        with self.db.connect("owner") as owner:
            values = {"step": step, "id": self.id, "days": step.days}
            for table, names in columns.items():
                moved = ", ".join(f"{name} = {name} - %(step)s" for name in names)
                owner.execute(f"UPDATE {table} SET {moved} WHERE account_id = %(id)s", values)
            for table in ("invoice", "open_balance"):
                owner.execute(f"UPDATE {table} SET {days} WHERE account_id = %(id)s", values)
            recount(owner, self.id)

    def assert_sound(self) -> None:
        """What was charged is in the books, and the books hold."""
        booked = Payment.objects.filter(account_id=self.id, gateway="simulated").aggregate(sum=Sum("amount"))["sum"]
        assert (booked or ZERO) == self.charged()
        assert audit([self.account]) == []
