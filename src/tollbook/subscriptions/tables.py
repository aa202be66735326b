"""What is stored about subscriptions. Prices are in the account's currency; only components and their prices are shared."""

from datetime import timedelta

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class FeeKind(models.TextChoices):
    """Charged every period, or once."""

    RECURRING = "recurring", "Recurring fee"
    SETUP = "setup", "Setup fee"
    ONE_OFF = "one_off", "One-off charge"


class Interval(models.IntegerChoices):
    """How many months a period has."""

    MONTHLY = 1, "Monthly"
    QUARTERLY = 3, "Quarterly"
    YEARLY = 12, "Yearly"


class ChangeKind(models.TextChoices):
    """What a change changes."""

    QUANTITY = "quantity", "Quantity"
    PRICE = "price", "Price"
    DISCOUNT = "discount", "Discount"
    PAUSE = "pause", "Pause"
    RESUME = "resume", "Resume"
    END = "end", "End"
    WITHDRAW = "withdraw", "Taken back"


class Component(models.Model):
    """A thing sold by subscription; its price is what a new subscription starts with today.

    `model` and `scheme` say how a quantity becomes an amount (price.py), `months` how long a period is, `tax_code` is its
    tax category (empty: the operator's standard). `grant_type_code` and `grant_amount` are credit of that type that one
    of it includes each month.
    """

    code = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=FeeKind.choices)
    price = models.DecimalField(**MONEY)
    is_active = models.BooleanField(default=True)
    model = models.CharField(max_length=16, default="per_unit", db_default="per_unit")
    scheme = models.JSONField(default=dict)
    months = models.PositiveSmallIntegerField(choices=Interval.choices, default=1, db_default=1)
    tax_code = models.CharField(max_length=40, default="", blank=True, db_default="")
    grant_type_code = models.CharField(max_length=40, default="", blank=True, db_default="")
    grant_amount = models.DecimalField(**MONEY, default=0, db_default=0)

    class Meta:
        db_table = "component"
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return self.name


class ComponentPrice(models.Model):
    """A component's price from a day on. Append-only; of two for the same day, the one recorded later counts."""

    id = models.UUIDField(primary_key=True)
    component_code = models.CharField(max_length=40)
    valid_from = models.DateField()
    model = models.CharField(max_length=16)
    price = models.DecimalField(**MONEY)
    scheme = models.JSONField(default=dict)
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "component_price"
        indexes = [models.Index(fields=["component_code", "valid_from"], name="component_price_versions")]


class Subscription(models.Model):
    """A component that an account pays for, as agreed at the start: it is never changed. What is recorded later stands in
    `subscription_change`.

    From `starts_on` until `ends_on` (inclusive, if an end was agreed), for free until `free_until`. Its periods have
    `months` months and count from `anchor_on` (None: from the account's billing day). It pays `price` by `model` and
    `scheme`, or the component's price of each period's first day when it `follows`. `prorated`: by the day; else each
    period whole, by what is in force on its first day. `at_once`: what begins in mid-period is billed on that day, not
    on the next billing day. `known_on` is the account's local day when it was recorded, in the time zone of that moment:
    the account may move to another, and what is billed may not. `grant_type_code` and `grant_amount` are the credit that one
    of it includes each month, as the component said when it started. A row that ends the day before it starts was taken back
    before it began: it is never billed, and kept.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    component_code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=FeeKind.choices)
    quantity = models.DecimalField(max_digits=14, decimal_places=3, default=1)
    price = models.DecimalField(**MONEY)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)
    created_at = models.DateTimeField()
    known_on = models.DateField()
    model = models.CharField(max_length=16, default="per_unit", db_default="per_unit")
    scheme = models.JSONField(default=dict)
    months = models.PositiveSmallIntegerField(choices=Interval.choices, default=1, db_default=1)
    anchor_on = models.DateField(null=True)
    free_until = models.DateField(null=True)
    follows = models.BooleanField(default=False, db_default=False)
    prorated = models.BooleanField(default=False, db_default=False)
    at_once = models.BooleanField(default=False, db_default=False)
    grant_type_code = models.CharField(max_length=40, default="", blank=True, db_default="")
    grant_amount = models.DecimalField(**MONEY, default=0, db_default=0)

    class Meta:
        db_table = "subscription"
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gt=0, price__gte=0), name="subscription_quantity"),
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True)
                | models.Q(ends_on__gte=models.F("starts_on") - timedelta(days=1)),
                name="subscription_ends_after_it_starts",
            ),
            models.CheckConstraint(condition=models.Q(months__in=Interval.values), name="subscription_interval"),
        ]
        indexes = [models.Index(fields=["account_id", "starts_on"], name="subscription_of_account")]


class SubscriptionChange(models.Model):
    """Something recorded about a subscription after its start, counting from `from_on` on. Append-only: what is taken back
    has a row of its own that `withdraws` it. See plan.Change.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    subscription_id = models.UUIDField()
    kind = models.CharField(max_length=16, choices=ChangeKind.choices)
    from_on = models.DateField()
    until_on = models.DateField(null=True)
    quantity = models.DecimalField(max_digits=14, decimal_places=3, null=True)
    model = models.CharField(max_length=16, default="", blank=True)
    price = models.DecimalField(**MONEY, null=True)
    scheme = models.JSONField(default=dict)
    percent = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    amount = models.DecimalField(**MONEY, null=True)
    prorated = models.BooleanField(default=True)
    at_once = models.BooleanField(default=False)
    withdraws = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()
    known_on = models.DateField()
    recorded_by = models.CharField(max_length=254, blank=True)

    class Meta:
        db_table = "subscription_change"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(quantity__isnull=True) | models.Q(quantity__gt=0), name="change_of_quantity"
            ),
            models.CheckConstraint(condition=models.Q(price__isnull=True) | models.Q(price__gte=0), name="change_of_price"),
            models.UniqueConstraint(fields=["account_id", "withdraws"], name="change_taken_back_once"),
        ]
        indexes = [
            models.Index(fields=["account_id", "subscription_id", "recorded_at"], name="change_of_subscription"),
            models.Index(fields=["account_id", "recorded_at"], name="change_recorded"),
        ]


class Commitment(models.Model):
    """The least that an account pays for each of its monthly periods from `starts_on` until `ends_on` (inclusive)."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    amount = models.DecimalField(**MONEY)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)
    created_at = models.DateTimeField()
    known_on = models.DateField()

    class Meta:
        db_table = "commitment"
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="commitment_amount"),
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True)
                | models.Q(ends_on__gte=models.F("starts_on") - timedelta(days=1)),
                name="commitment_ends_after_it_starts",
            ),
        ]
        indexes = [models.Index(fields=["account_id", "starts_on"], name="commitment_of_account")]
