"""What is stored about invoices. An issued invoice and its lines are append-only; its open balance stands beside it."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class NumberSeries(models.Model):
    """The counter of one series of one seller; locked in the issuing transaction, so numbers are dense and unique."""

    seller = models.CharField(max_length=40)
    series = models.CharField(max_length=20)
    pk = models.CompositePrimaryKey("seller", "series")
    last_number = models.BigIntegerField(default=0)

    class Meta:
        db_table = "number_series"


class InvoiceKind(models.TextChoices):
    """What an invoice is for."""

    RECURRING = "recurring", "Subscription"
    REFILL = "refill", "Refill"


class Invoice(models.Model):
    """An issued invoice: never changed. `seller` and `buyer` are copies of what it prints. Amounts in its currency."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    number = models.CharField(max_length=40)
    seller_code = models.CharField(max_length=40)
    series = models.CharField(max_length=20)
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=InvoiceKind.choices)
    cause = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    subtotal = models.DecimalField(**MONEY)
    tax = models.DecimalField(**MONEY, default=0)
    total = models.DecimalField(**MONEY)
    issued_on = models.DateField()
    issued_at = models.DateTimeField()
    due_on = models.DateField()
    grace_until_on = models.DateField()
    period_start_on = models.DateField(null=True)
    period_end_on = models.DateField(null=True)
    seller = models.JSONField()
    buyer = models.JSONField()
    po_number = models.CharField(max_length=60, blank=True)
    payment_note = models.CharField(max_length=200, blank=True)
    issued_by = models.CharField(max_length=254, blank=True)

    class Meta:
        db_table = "invoice"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "number"], name="invoice_number_once"),
            models.UniqueConstraint(fields=["account_id", "kind", "cause"], name="invoice_cause_once"),
            models.CheckConstraint(
                condition=models.Q(due_on__gte=models.F("issued_on"), grace_until_on__gte=models.F("due_on")),
                name="invoice_days_in_order",
            ),
            models.CheckConstraint(
                condition=models.Q(total=models.F("subtotal") + models.F("tax")), name="invoice_adds_up"
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "-issued_on", "-sequence"], name="invoice_newest_first"),
            models.Index(fields=["account_id", "sequence"], name="invoice_by_number"),
            models.Index(fields=["issued_at"], name="invoice_issued"),
        ]


class InvoiceLine(models.Model):
    """One printed line; the lines sum to the invoice's subtotal."""

    pk = models.CompositePrimaryKey("account_id", "invoice_id", "position")
    account_id = models.UUIDField()
    invoice_id = models.UUIDField()
    position = models.SmallIntegerField()
    description = models.CharField(max_length=300)
    detail = models.CharField(max_length=300, blank=True)
    quantity = models.DecimalField(max_digits=20, decimal_places=6)
    unit_price = models.DecimalField(**MONEY)
    amount = models.DecimalField(**MONEY)
    revenue_code = models.CharField(max_length=80)
    subscription_id = models.UUIDField(null=True)

    class Meta:
        db_table = "invoice_line"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "subscription_id"],
                condition=models.Q(revenue_code="revenue:setup"),
                name="setup_fee_billed_once",
            ),
        ]


def _order(name: str, *fields: str) -> models.Index:
    """An index that holds one order of Invoice History and everything that filters ask for."""
    asked = ("invoice_id", "number", "balance", "issued_on", "due_on", "grace_until_on")
    return models.Index(fields=["account_id", *fields], include=[one for one in asked if one not in fields], name=name)


class OpenBalance(models.Model):
    """What is still owed on an invoice: its total less its settlements. Changed only by settling, under its row lock.

    Number, total and days are copies of the invoice's own, which never change (and no role may update them here), so that
    one narrow table answers every filter, order and sum of Invoice History.
    """

    pk = models.CompositePrimaryKey("account_id", "invoice_id")
    account_id = models.UUIDField()
    invoice_id = models.UUIDField()
    balance = models.DecimalField(**MONEY)
    number = models.CharField(max_length=40)
    sequence = models.BigIntegerField()
    total = models.DecimalField(**MONEY)
    issued_on = models.DateField()
    due_on = models.DateField()
    grace_until_on = models.DateField()

    class Meta:
        db_table = "open_balance"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(balance__gte=0, balance__lte=models.F("total")), name="open_balance_within_total"
            ),
        ]
        indexes = [
            _order("open_balance_by_balance", "balance", "sequence"),
            _order("open_balance_by_number", "sequence"),
            _order("open_balance_by_amount", "total", "sequence"),
            _order("open_balance_by_date", "issued_on", "sequence"),
            models.Index(
                fields=["account_id", "grace_until_on", "due_on", "balance"],
                name="open_balance_owed",
                condition=models.Q(balance__gt=0),
            ),
        ]


class Settlement(models.Model):
    """A part of a payment applied to an invoice, or (below zero) taken back from it. Append-only.

    `cause` tells parts of one payment on one invoice apart: empty for the payment itself, else what moved it later, such as
    `credit:<id>`, `refund:<id>` or `dispute:<id>`.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    invoice_id = models.UUIDField()
    payment_id = models.UUIDField()
    amount = models.DecimalField(**MONEY)
    settled_at = models.DateTimeField()
    cause = models.CharField(max_length=60, default="", blank=True)

    class Meta:
        db_table = "settlement"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "invoice_id", "payment_id", "cause"], name="settled_once"),
            models.CheckConstraint(condition=~models.Q(amount=0), name="settlement_moves_something"),
        ]
        indexes = [models.Index(fields=["account_id", "payment_id"], name="settlement_of_payment")]


class InvoiceFile(models.Model):
    """The bytes of an invoice's PDF as first handed out, so that every download is the same for ever. Append-only."""

    pk = models.CompositePrimaryKey("account_id", "invoice_id")
    account_id = models.UUIDField()
    invoice_id = models.UUIDField()
    sha256 = models.BinaryField(max_length=32)
    content = models.BinaryField()
    typeset_at = models.DateTimeField()

    class Meta:
        db_table = "invoice_file"
