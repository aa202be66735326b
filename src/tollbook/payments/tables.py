"""What is stored about payments. No card number ever: a token, the brand, the last four digits, the expiry."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class PaymentMethod(models.Model):
    """A card, as its gateway names it. At most one is the default, and at most one other the backup.

    `fingerprint` is the same for the same number under any token; empty when the gateway doesn't say.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=120)
    brand = models.CharField(max_length=20)
    last4 = models.CharField(max_length=4)
    expires_month = models.PositiveSmallIntegerField()
    expires_year = models.PositiveSmallIntegerField()
    fingerprint = models.CharField(max_length=120, blank=True, default="")
    is_default = models.BooleanField(default=False)
    is_backup = models.BooleanField(default=False)
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
            models.UniqueConstraint(
                fields=["account_id"],
                condition=models.Q(is_backup=True, removed_at__isnull=True),
                name="one_backup_payment_method",
            ),
            models.CheckConstraint(
                condition=~models.Q(is_default=True, is_backup=True), name="backup_is_another_payment_method"
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


class Installation(models.Model):
    """This installation's name at gateways, which may serve others too; one row, made with the table."""

    id = models.UUIDField(primary_key=True)
    made_at = models.DateTimeField()

    class Meta:
        db_table = "installation"


class GatewayCustomer(models.Model):
    """Whom a gateway keeps an account's cards under."""

    pk = models.CompositePrimaryKey("account_id", "gateway", "reference")
    account_id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    reference = models.CharField(max_length=120)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "gateway_customer"


class GatewayEventSeen(models.Model):
    """A verified webhook, once: `event_id` names it at its gateway. What it is about is asked of the gateway later.

    Of no account: whose it is, is not known when it comes. `tries` counts how often it was taken up, `due_at` is when to
    do so next, `done_at` when it came to its end, with `outcome`.
    """

    pk = models.CompositePrimaryKey("gateway", "event_id")
    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    object_reference = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "gateway_event"
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(done_at__isnull=True), name="gateway_event_waiting"),
            models.Index(fields=["done_at"], condition=models.Q(done_at__isnull=False), name="gateway_event_done"),
        ]


class ChargeTold(models.Model):
    """A webhook that told of something of an account's: which of ours (`purpose`, `our_id`), and what came of it."""

    pk = models.CompositePrimaryKey("account_id", "gateway", "event_id")
    account_id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=120)
    purpose = models.CharField(max_length=20, blank=True)
    our_id = models.CharField(max_length=60, blank=True)
    kind = models.CharField(max_length=20)
    object_reference = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField()
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "charge_told"
        indexes = [models.Index(fields=["account_id", "our_id"], name="charge_told_of")]
