"""What is stored about payments. No card number ever: a token, the brand, the last four digits, the expiry."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class PaymentMethod(models.Model):
    """A card, as its gateway names it."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=120)
    brand = models.CharField(max_length=20)
    last4 = models.CharField(max_length=4)
    expires_month = models.PositiveSmallIntegerField()
    expires_year = models.PositiveSmallIntegerField()
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payment_method"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id"],
                condition=models.Q(is_default=True, removed_at__isnull=True),
                name="one_default_payment_method",
            ),
        ]


class Payment(models.Model):
    """Money received, once per charge of a gateway. Append-only."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    charge_reference = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**MONEY)
    received_at = models.DateTimeField()
    method_label = models.CharField(max_length=60, blank=True)
    recorded_by = models.CharField(max_length=254, blank=True)

    class Meta:
        db_table = "payment"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "gateway", "charge_reference"], name="charge_recorded_once"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_positive"),
        ]


class SimulatedCharge(models.Model):
    """The simulated gateway's own memory: what it would have charged, by idempotency key. Not part of the books."""

    pk = models.CompositePrimaryKey("account_id", "idempotency_key")
    account_id = models.UUIDField()
    idempotency_key = models.CharField(max_length=120)
    reference = models.CharField(max_length=60)
    token = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(**MONEY)
    outcome = models.CharField(max_length=20)
    decline_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "simulated_charge"
