"""What is stored about invoices and credit notes. Documents and their lines are append-only; what is owed stands beside.

Amounts have the document's currency and its minor unit; days are local days of the account. `amount` of a line is net:
lines sum to the subtotal, their `tax` to the document's tax (invoicing/tax.py computes both, everywhere).
"""

from decimal import Decimal

from django.db import models
from django.db.models import JSONField, Value
from django.db.models.expressions import RawSQL

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
    ONE_OFF = "one_off", "One-off"


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
    notes = models.CharField(max_length=500, blank=True, default="", db_default="")
    tax_note = models.CharField(max_length=300, blank=True, default="", db_default="")
    recipients = models.JSONField(default=list, db_default=Value([], JSONField()))
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


class Line(models.Model):
    """What lines of invoices and of credit notes have in common.

    `tax_code` is the component's category of tax ("" = the standard one); `tax_category` what became of it, as EN 16931
    names it (S standard, Z zero, E exempt, AE reverse charge, O not taxed); `tax_rate` in percent; `tax_label` is printed
    ("VAT 19 %"). `service_from` and `service_until` (both inclusive) are the days that the line pays for, by which its
    revenue is recognised; without them it is earned at once.
    """

    description = models.CharField(max_length=300)
    detail = models.CharField(max_length=300, blank=True)
    quantity = models.DecimalField(max_digits=20, decimal_places=6)
    unit_price = models.DecimalField(**MONEY)
    amount = models.DecimalField(**MONEY)
    revenue_code = models.CharField(max_length=80)
    tax_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    tax_category = models.CharField(max_length=2, default="O", db_default="O")
    tax_rate = models.DecimalField(max_digits=9, decimal_places=6, default=0, db_default=0)
    tax_label = models.CharField(max_length=60, blank=True, default="", db_default="")
    tax = models.DecimalField(**MONEY, default=0, db_default=0)
    service_from = models.DateField(null=True)
    service_until = models.DateField(null=True)

    class Meta:
        abstract = True

    @property
    def gross(self) -> Decimal:
        """What the line costs with its tax."""
        return self.amount + self.tax


class InvoiceLine(Line):
    """One printed line. `cause` names what it bills (`<subscription>:<what>:<day>`): nothing is billed twice."""

    pk = models.CompositePrimaryKey("account_id", "invoice_id", "position")
    account_id = models.UUIDField()
    invoice_id = models.UUIDField()
    position = models.SmallIntegerField()
    subscription_id = models.UUIDField(null=True)
    cause = models.CharField(max_length=160, blank=True, default="", db_default="")

    class Meta:
        db_table = "invoice_line"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "cause"], condition=~models.Q(cause=""), name="invoice_line_cause_once"
            ),
            models.CheckConstraint(
                condition=models.Q(service_from__isnull=True, service_until__isnull=True)
                | models.Q(service_until__gte=models.F("service_from")),
                name="invoice_line_service_days_in_order",
            ),
        ]


_SIZE = """CASE WHEN total < 1 THEN trunc(total * 100)::integer
ELSE 90 * (length(trunc(total * 100)::text) - 2) + left(trunc(total * 100)::text, 2)::integer END"""
"""The first two digits of an amount and how many follow, as one number that rises with the amount."""


def _order(name: str, *fields: str) -> models.Index:
    """An index that holds one order of Invoice History and what filters by status and day ask for."""
    asked = ("invoice_id", "balance", "written_off", "issued_on", "due_on", "grace_until_on")
    return models.Index(fields=["account_id", *fields], include=[one for one in asked if one not in fields], name=name)


class OpenBalance(models.Model):
    """What is still owed on an invoice: its total less its settlements and reductions, and what of these is written off.

    Changed only by settling and reducing, under its row lock.

    Number, total and days are copies of the invoice's own, which never change (and no role may update them here), so that
    one narrow table answers every filter and order of Invoice History. `size` is about how much the total is.
    """

    pk = models.CompositePrimaryKey("account_id", "invoice_id")
    account_id = models.UUIDField()
    invoice_id = models.UUIDField()
    balance = models.DecimalField(**MONEY)
    written_off = models.DecimalField(**MONEY, default=0, db_default=0)
    number = models.CharField(max_length=40)
    sequence = models.BigIntegerField()
    total = models.DecimalField(**MONEY)
    issued_on = models.DateField()
    due_on = models.DateField()
    grace_until_on = models.DateField()
    size = models.GeneratedField(
        expression=RawSQL(_SIZE, ()), output_field=models.IntegerField(), db_persist=True
    )

    class Meta:
        db_table = "open_balance"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(balance__gte=0, balance__lte=models.F("total")), name="open_balance_within_total"
            ),
            models.CheckConstraint(
                condition=models.Q(written_off__gte=0, written_off__lte=models.F("total") - models.F("balance")),
                name="written_off_within_total",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "sequence"],
                include=["invoice_id", "number", "balance", "written_off", "issued_on", "due_on", "grace_until_on"],
                name="open_balance_by_number",
            ),
            _order("open_balance_by_amount", "size", "total", "sequence"),
            _order("open_balance_by_date", "issued_on", "sequence"),
            models.Index(
                fields=["account_id", "grace_until_on", "due_on", "balance"],
                name="open_balance_owed",
                condition=models.Q(balance__gt=0),
            ),
            models.Index(
                fields=["account_id", "balance", "sequence"],
                include=["invoice_id", "issued_on", "due_on", "grace_until_on"],
                name="open_balance_by_balance",
                condition=models.Q(balance__gt=0),
            ),
            models.Index(
                fields=["account_id", "issued_on", "sequence"],
                include=["invoice_id", "number", "balance", "written_off"],
                name="open_balance_written_off",
                condition=models.Q(written_off__gt=0),
            ),
        ]


class HistoryDay(models.Model):
    """How many invoices an account has of a day and a block of numbers, and what is open on them.

    Kept by tally.py in the transaction that changes an open balance, so that a list of a million is counted in a
    thousand rows. Those of which nothing is owed have their day of issue for the other two days. `prefix` is what
    numbers begin with ("INV-"), `block` their sequence without its last three digits.
    """

    pk = models.CompositePrimaryKey(
        "account_id", "issued_on", "block", "prefix", "is_open", "due_on", "grace_until_on"
    )
    account_id = models.UUIDField()
    issued_on = models.DateField()
    block = models.BigIntegerField()
    prefix = models.CharField(max_length=40)
    is_open = models.BooleanField()
    due_on = models.DateField()
    grace_until_on = models.DateField()
    count = models.IntegerField()
    balance = models.DecimalField(**MONEY)

    class Meta:
        db_table = "history_day"


class HistorySize(models.Model):
    """How many invoices of about an amount (OpenBalance.size) an account has of a month; kept as HistoryDay."""

    pk = models.CompositePrimaryKey("account_id", "size", "month_on", "is_open")
    account_id = models.UUIDField()
    size = models.IntegerField()
    month_on = models.DateField()
    is_open = models.BooleanField()
    count = models.IntegerField()

    class Meta:
        db_table = "history_size"


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


class DocumentFile(models.Model):
    """The same for every other document: `name` is its number, its payment or its period among those of its kind."""

    pk = models.CompositePrimaryKey("account_id", "kind", "name")
    account_id = models.UUIDField()
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=80)
    sha256 = models.BinaryField(max_length=32)
    content = models.BinaryField()
    typeset_at = models.DateTimeField()

    class Meta:
        db_table = "document_file"


class BilledBefore(models.Model):
    """A fee's cause that counts as billed though no line bears it: its period had its invoice under the rules of before,
    which left out what was recorded late. Filled once, by the migration.
    """

    pk = models.CompositePrimaryKey("account_id", "cause")
    account_id = models.UUIDField()
    cause = models.CharField(max_length=160)

    class Meta:
        db_table = "billed_before"


class GivenBack(models.Model):
    """A cause of days given back that a credit note bears, so that no invoice ever does: billed, though no line has it.
    Append-only.
    """

    pk = models.CompositePrimaryKey("account_id", "cause")
    account_id = models.UUIDField()
    cause = models.CharField(max_length=160)
    credit_note_id = models.UUIDField()

    class Meta:
        db_table = "given_back"


class CreditNote(models.Model):
    """A correction of one issued invoice: never changed, numbered in a series of its own. Amounts are above zero.

    It takes its total off what is owed on the invoice; what had been paid of that becomes credit of the account first.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    number = models.CharField(max_length=40)
    seller_code = models.CharField(max_length=40)
    series = models.CharField(max_length=20)
    sequence = models.BigIntegerField()
    invoice_id = models.UUIDField()
    invoice_number = models.CharField(max_length=40)
    invoice_issued_on = models.DateField()
    currency = models.CharField(max_length=3)
    subtotal = models.DecimalField(**MONEY)
    tax = models.DecimalField(**MONEY, default=0)
    total = models.DecimalField(**MONEY)
    issued_on = models.DateField()
    issued_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    seller = models.JSONField()
    buyer = models.JSONField()
    po_number = models.CharField(max_length=60, blank=True)
    tax_note = models.CharField(max_length=300, blank=True, default="")
    recipients = models.JSONField(default=list)
    issued_by = models.CharField(max_length=254, blank=True)

    class Meta:
        db_table = "credit_note"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "number"], name="credit_note_number_once"),
            models.CheckConstraint(
                condition=models.Q(total=models.F("subtotal") + models.F("tax")), name="credit_note_adds_up"
            ),
            models.CheckConstraint(condition=models.Q(total__gt=0), name="credit_note_credits_something"),
        ]
        indexes = [
            models.Index(fields=["account_id", "invoice_id"], name="credit_note_of_invoice"),
            models.Index(fields=["account_id", "-issued_on", "-sequence"], name="credit_note_newest_first"),
            models.Index(fields=["issued_at"], name="credit_note_issued"),
        ]


class CreditNoteLine(Line):
    """What is credited of one line of the invoice, with the tax it bore; amounts have the sign of that line's."""

    pk = models.CompositePrimaryKey("account_id", "credit_note_id", "position")
    account_id = models.UUIDField()
    credit_note_id = models.UUIDField()
    position = models.SmallIntegerField()
    invoice_id = models.UUIDField()
    invoice_position = models.SmallIntegerField()

    class Meta:
        db_table = "credit_note_line"
        indexes = [models.Index(fields=["account_id", "invoice_id"], name="credit_note_line_of_invoice")]


class ReductionKind(models.TextChoices):
    """What takes off what is owed without a payment."""

    CREDIT_NOTE = "credit_note", "Credit note"
    WRITE_OFF = "write_off", "Write-off"


class Reduction(models.Model):
    """A part of an invoice that nobody pays: credited or written off (below zero: a write-off taken back). Append-only."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    invoice_id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=ReductionKind.choices)
    amount = models.DecimalField(**MONEY)
    credit_note_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    reduced_by = models.CharField(max_length=254, blank=True)
    reduced_at = models.DateTimeField()

    class Meta:
        db_table = "reduction"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "credit_note_id"], name="credited_once"),
            models.CheckConstraint(condition=~models.Q(amount=0), name="reduction_moves_something"),
        ]
        indexes = [models.Index(fields=["account_id", "invoice_id"], name="reduction_of_invoice")]


class SellerProfile(models.Model):
    """Who issues, when that is not the operator of the settings: what its documents print, and its series of numbers."""

    code = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=200)
    legal_name = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, default="US")
    tax_id = models.CharField(max_length=40, blank=True)
    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    payment_instructions = models.TextField(blank=True)
    notes = models.CharField(max_length=500, blank=True)
    accent = models.CharField(max_length=7, blank=True)
    logo_svg = models.TextField(blank=True)
    series = models.CharField(max_length=12, default="INV")
    credit_series = models.CharField(max_length=12, default="CN")
    is_yearly = models.BooleanField(default=False)

    class Meta:
        db_table = "seller_profile"

    def __str__(self) -> str:
        return self.name


class TaxRule(models.Model):
    """What is added for one category of tax to what buyers in one place are sold, from a day on.

    `region` "" is the whole country, `country` "" every other one. `tax_rate` in percent. With `is_inclusive` prices
    contain it. With `is_reverse_charge`, buyers with a tax id in another country than the seller's pay it themselves.
    """

    id = models.UUIDField(primary_key=True)
    tax_code = models.CharField(max_length=40, blank=True)
    country = models.CharField(max_length=2, blank=True)
    region = models.CharField(max_length=40, blank=True)
    valid_from = models.DateField()
    tax_rate = models.DecimalField(max_digits=9, decimal_places=6)
    category = models.CharField(max_length=2, default="S")
    label = models.CharField(max_length=40)
    note = models.CharField(max_length=300, blank=True)
    is_inclusive = models.BooleanField(default=False)
    is_reverse_charge = models.BooleanField(default=False)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "tax_rule"
        constraints = [
            models.UniqueConstraint(fields=["tax_code", "country", "region", "valid_from"], name="tax_rule_once"),
            models.CheckConstraint(
                condition=models.Q(tax_rate__gte=0, tax_rate__lte=100), name="tax_rule_rate_in_percent"
            ),
        ]


class BillingRun(models.Model):
    """One run over all accounts, shared by every worker that joins it. `is_review` leaves drafts instead of invoices."""

    id = models.UUIDField(primary_key=True)
    until_on = models.DateField(null=True)
    is_review = models.BooleanField(default=False)
    started_by = models.CharField(max_length=254)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_run"
        constraints = [
            models.UniqueConstraint(
                fields=["is_review", "until_on"],
                condition=models.Q(finished_at__isnull=True),
                nulls_distinct=False,
                name="one_run_under_way",
            ),
        ]
        indexes = [models.Index(fields=["-started_at"], name="billing_run_newest_first")]


class BillingPart(models.Model):
    """A stretch of accounts of a run (ids from `first_id` to `last_id`): done whole, in one transaction, or not at all."""

    pk = models.CompositePrimaryKey("run_id", "part")
    run_id = models.UUIDField()
    part = models.IntegerField()
    first_id = models.UUIDField()
    last_id = models.UUIDField()
    done_at = models.DateTimeField(null=True)
    accounts = models.IntegerField(default=0)
    invoices = models.IntegerField(default=0)
    told = models.JSONField(default=dict)

    class Meta:
        db_table = "billing_part"


class DraftState(models.TextChoices):
    """Where a draft stands."""

    OPEN = "open", "To be reviewed"
    ISSUED = "issued", "Issued"
    DISCARDED = "discarded", "Discarded"


class DraftInvoice(models.Model):
    """An invoice to be: what would be printed, for staff to look at, then issue or discard. Not a document yet."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=InvoiceKind.choices)
    cause = models.CharField(max_length=120)
    state = models.CharField(max_length=12, choices=DraftState.choices, default=DraftState.OPEN)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(**MONEY)
    content = models.JSONField()
    drafted_by = models.CharField(max_length=254)
    drafted_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True)
    invoice_id = models.UUIDField(null=True)

    class Meta:
        db_table = "draft_invoice"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "kind", "cause"],
                condition=models.Q(state="open"),
                name="one_open_draft_of_a_cause",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_id", "drafted_at"], condition=models.Q(state="open"), name="draft_invoice_open"
            ),
        ]


class Deferral(models.Model):
    """What an invoice credited to one deferred account of the books for one stretch of days, and how far it is earned.

    `total` is what it was at issue, `credited` what credit notes took off it, `recognised` what was earned of it. What is
    left, spread over `from_on` to `service_until`, begins where `settled` had been recognised. `next_on` is the next day to
    be recognised; None when nothing is left. Changed only under its row lock.
    """

    pk = models.CompositePrimaryKey("account_id", "invoice_id", "code", "service_from", "service_until")
    account_id = models.UUIDField()
    invoice_id = models.UUIDField()
    code = models.CharField(max_length=80)
    service_from = models.DateField()
    service_until = models.DateField()
    currency = models.CharField(max_length=3)
    total = models.DecimalField(**MONEY)
    credited = models.DecimalField(**MONEY)
    settled = models.DecimalField(**MONEY)
    recognised = models.DecimalField(**MONEY)
    from_on = models.DateField()
    next_on = models.DateField(null=True)

    class Meta:
        db_table = "deferral"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(service_until__gte=models.F("service_from")), name="deferral_days_in_order"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_on", "account_id"], condition=models.Q(next_on__isnull=False), name="deferral_next"
            ),
        ]
