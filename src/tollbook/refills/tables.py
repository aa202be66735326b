"""What is stored about refills. Amounts in the account's currency."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class RefillRule(models.Model):
    """When and by how much one wallet refills itself. Changed only by a named person or key; every change is audited.

    `tripped_at` is when the velocity breaker stopped it, until a person releases it at `released_at`.
    """

    pk = models.CompositePrimaryKey("account_id", "wallet_id")
    account_id = models.UUIDField()
    wallet_id = models.UUIDField()
    automatic = models.BooleanField(default=False)
    refill_amount = models.DecimalField(**MONEY)
    minimum_before_refill = models.DecimalField(**MONEY)
    max_charges_per_day = models.PositiveSmallIntegerField(default=3)
    monthly_cap = models.DecimalField(**MONEY)
    version = models.PositiveIntegerField(default=1)
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()
    tripped_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refill_rule"
        constraints = [
            models.CheckConstraint(condition=models.Q(refill_amount__gt=0), name="refill_amount_positive"),
            models.CheckConstraint(condition=models.Q(minimum_before_refill__gte=0), name="minimum_not_negative"),
            models.CheckConstraint(condition=models.Q(max_charges_per_day__gt=0), name="max_charges_positive"),
            models.CheckConstraint(condition=models.Q(monthly_cap__gt=0), name="monthly_cap_positive"),
        ]


class RefillState(models.TextChoices):
    """decided → charging → succeeded | declined | unknown | action_required; unknown is resolved by asking.

    A decision that no longer holds when the card would be charged is withdrawn: nothing was charged.
    """

    DECIDED = "decided", "Decided"
    CHARGING = "charging", "Charging"
    SUCCEEDED = "succeeded", "Succeeded"
    DECLINED = "declined", "Declined"
    UNKNOWN = "unknown", "Waiting for the gateway's answer"
    ACTION_REQUIRED = "action_required", "Needs your action"
    WITHDRAWN = "withdrawn", "Not charged"


OPEN_STATES = (RefillState.DECIDED, RefillState.CHARGING, RefillState.UNKNOWN, RefillState.ACTION_REQUIRED)


class Refill(models.Model):
    """One purchase of credit for one wallet. At most one is open per wallet; its id makes the idempotency key.

    `charging_at` is when the charge was last sent to the gateway, `asked_at` when the gateway was last spoken to: who
    moves it on speaks next. `request_key` names the request of a manual refill, which is answered once.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    wallet_id = models.UUIDField()
    automatic = models.BooleanField()
    amount = models.DecimalField(**MONEY)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16, choices=RefillState.choices, default=RefillState.DECIDED)
    attempt = models.PositiveSmallIntegerField(default=1)
    method_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=300)
    trigger_balance = models.DecimalField(**MONEY)
    rule = models.JSONField(null=True)
    requested_by = models.CharField(max_length=254)
    decided_at = models.DateTimeField()
    charging_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=200, blank=True)
    charge_reference = models.CharField(max_length=120, blank=True)
    invoice_id = models.UUIDField(null=True)
    request_key = models.CharField(max_length=200, null=True)

    class Meta:
        db_table = "refill"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "wallet_id"],
                condition=models.Q(state__in=["decided", "charging", "unknown", "action_required"]),
                name="one_open_refill_per_wallet",
            ),
            models.UniqueConstraint(fields=["account_id", "request_key"], name="one_refill_per_request"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="refill_positive"),
        ]
        indexes = [
            models.Index(fields=["account_id", "wallet_id", "-decided_at"], name="refill_newest_first"),
            models.Index(
                fields=["state", "decided_at"],
                condition=models.Q(state__in=["decided", "charging", "unknown", "action_required"]),
                name="refill_unfinished",
            ),
            models.Index(fields=["finished_at"], name="refill_finished"),
        ]


class RefillStop(models.Model):
    """Why a wallet that is due is not being refilled; the row goes when the reason goes."""

    pk = models.CompositePrimaryKey("account_id", "wallet_id")
    account_id = models.UUIDField()
    wallet_id = models.UUIDField()
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    since_at = models.DateTimeField()
    until_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refill_stop"


class OperatorSwitch(models.Model):
    """A switch for the whole installation, such as `refills`; read at the moment money would move."""

    name = models.CharField(primary_key=True, max_length=40)
    is_on = models.BooleanField(default=True)
    reason = models.CharField(max_length=300, blank=True)
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "operator_switch"
