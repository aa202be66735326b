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

    `charging_at` is when the charge was last sent to the gateway, `asked_at` when the gateway was last spoken to, and
    `next_ask_at` when it is to be spoken to next; `asks` counts. `request_key` names the request of a manual refill, which
    is answered once. `why` is what was known when it was decided: the crossing, the caps. While `needs_person_at` is set,
    it waits at the desk with `question`. `confirm_by` ends the time in which the card's holder can confirm it;
    `given_up_at` is when a person asked for it to be given up.
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
    why = models.JSONField(null=True)
    next_ask_at = models.DateTimeField(null=True)
    asks = models.PositiveSmallIntegerField(db_default=0)
    needs_person_at = models.DateTimeField(null=True)
    question = models.TextField(blank=True, db_default="")
    confirm_url = models.CharField(max_length=2000, blank=True, db_default="")
    confirm_by = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    given_up_by = models.CharField(max_length=254, blank=True, db_default="")

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
            models.Index(fields=["charging_at"], name="refill_sent_lately"),
            models.Index(
                fields=["needs_person_at"],
                condition=models.Q(needs_person_at__isnull=False),
                name="refill_needs_person",
            ),
        ]


class AttemptState(models.TextChoices):
    """What became of one attempt at a card, as far as is known."""

    SENT = "sent", "Sent"
    UNKNOWN = "unknown", "No answer yet"
    SUCCEEDED = "succeeded", "Succeeded"
    DECLINED = "declined", "Declined"
    ACTION_REQUIRED = "action_required", "Waits for the card's holder"
    NEVER_RECEIVED = "never_received", "Never reached the gateway"
    GIVEN_BACK = "given_back", "Given back at the gateway"


class RefillAttempt(models.Model):
    """One attempt of a refill at one card, written before the gateway hears of it: its key, when it was sent first and
    last, how often, the caps at that time, and what the gateway said. `hard`: this card is never tried again."""

    pk = models.CompositePrimaryKey("account_id", "refill_id", "attempt")
    account_id = models.UUIDField()
    refill_id = models.UUIDField()
    attempt = models.PositiveSmallIntegerField()
    method_id = models.UUIDField()
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=120)
    idempotency_key = models.CharField(max_length=200)
    facts = models.JSONField(null=True)
    first_sent_at = models.DateTimeField()
    sent_at = models.DateTimeField()
    sends = models.PositiveSmallIntegerField(db_default=1)
    state = models.CharField(max_length=16, choices=AttemptState.choices, db_default=AttemptState.SENT)
    code = models.CharField(max_length=80, blank=True, db_default="")
    message = models.CharField(max_length=300, blank=True, db_default="")
    hard = models.BooleanField(db_default=False)
    reference = models.CharField(max_length=120, blank=True, db_default="")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refill_attempt"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "idempotency_key"], name="refill_key_once"),
        ]
        indexes = [models.Index(fields=["account_id", "gateway", "token", "sent_at"], name="refill_attempts_of_card")]


class RefillLimit(models.Model):
    """How much one account's cards may be charged for refills in a month, when it is not the operator's usual limit."""

    account_id = models.UUIDField(primary_key=True)
    monthly_cap = models.DecimalField(**MONEY)
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "refill_limit"
        constraints = [models.CheckConstraint(condition=models.Q(monthly_cap__gte=0), name="refill_limit_not_negative")]


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
