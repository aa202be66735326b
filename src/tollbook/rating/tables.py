"""What is stored about prices. Rates with the operator's id as `account_id` are the default for every account."""

from django.db import models


class CreditType(models.Model):
    """A kind of prepaid service. `unit` says what a usage event's quantity counts; time is rated per minute."""

    class Unit(models.TextChoices):
        """What quantity counts."""

        SECONDS = "seconds", "seconds"
        MESSAGES = "messages", "messages"
        SEGMENTS = "segments", "segments"

    code = models.CharField(primary_key=True, max_length=32)
    name = models.CharField(max_length=80)
    unit = models.CharField(max_length=16, choices=Unit.choices)
    position = models.PositiveSmallIntegerField(unique=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "credit_type"
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name


class Rate(models.Model):
    """The price of one unit (a minute, a message, a segment) for destinations that begin with `prefix` ('' is all).

    `rate_cents` is in cents of the account's currency per unit, `connect_fee` and `minimum_charge` (the least that
    anything billed costs) in the currency itself.
    Seconds are billed as `initial_seconds`, then in steps of `increment_seconds`. Valid from `valid_from` until
    `valid_until` (open when empty, exclusive).
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    type_code = models.CharField(max_length=32)
    prefix = models.CharField(max_length=20, blank=True)
    description = models.CharField(max_length=100, blank=True)
    rate_cents = models.DecimalField(max_digits=14, decimal_places=6)
    connect_fee = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    minimum_charge = models.DecimalField(max_digits=20, decimal_places=6, default=0, db_default=0)
    initial_seconds = models.PositiveIntegerField(default=1)
    increment_seconds = models.PositiveIntegerField(default=1)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "rate"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "type_code", "prefix", "valid_from"], name="rate_begins_once"
            ),
            models.CheckConstraint(condition=models.Q(rate_cents__gte=0), name="rate_not_negative"),
            models.CheckConstraint(condition=models.Q(connect_fee__gte=0), name="connect_fee_not_negative"),
            models.CheckConstraint(condition=models.Q(minimum_charge__gte=0), name="minimum_charge_not_negative"),
            models.CheckConstraint(condition=models.Q(prefix__regex=r"^[0-9]{0,15}$"), name="rate_prefix_is_digits"),
            models.CheckConstraint(
                condition=models.Q(initial_seconds__gt=0, increment_seconds__gt=0), name="rate_steps_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(valid_until__isnull=True) | models.Q(valid_until__gt=models.F("valid_from")),
                name="rate_ends_after_it_begins",
            ),
        ]


class RateVersion(models.Model):
    """Counts the changes of one account's rates, so that a deck in memory knows when it is old."""

    pk = models.CompositePrimaryKey("account_id", "name")
    account_id = models.UUIDField()
    name = models.CharField(max_length=16, default="deck")
    version = models.BigIntegerField(default=0)

    class Meta:
        db_table = "rate_version"
