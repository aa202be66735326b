"""What is stored about alerts. `account_id` is the operator's id for what the operator's own people are told."""

from django.db import models


class AlertCursor(models.Model):
    """How far one look at what happened came. Nothing from before `began_at` is ever told."""

    name = models.CharField(primary_key=True, max_length=20)
    began_at = models.DateTimeField()
    seen_until_at = models.DateTimeField()

    class Meta:
        db_table = "alert_cursor"


class Notice(models.Model):
    """Something that is told, once: the key says what and which time. Append-only.

    `subject` names the thing (`refill/…`, `wallet/…`), `crossing` tells apart the times at which it may happen to it.
    `data` is what a webhook sends; it holds amounts as text, and no secrets.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    crossing = models.CharField(max_length=60, blank=True)
    occurred_at = models.DateTimeField()
    made_at = models.DateTimeField()
    data = models.JSONField()

    class Meta:
        db_table = "alert_notice"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "kind", "subject", "crossing"], name="one_notice_per_crossing"),
        ]


class Channel(models.TextChoices):
    """The two ways to tell."""

    MAIL = "mail", "Mail"
    WEBHOOK = "webhook", "Webhook"


class DeliveryState(models.TextChoices):
    """Waiting until it is delivered or given up; sent again by hand, it waits once more."""

    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class Delivery(models.Model):
    """One notice on its way to one recipient: an address of mail, or the id of an endpoint.

    `due_at` is when it is sent next; whoever sends it moves it on first, so that another one leaves it alone meanwhile.
    `tries` counts within the present schedule, `attempts` for ever. `claim` is the turn of who sends it now.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    notice_id = models.UUIDField()
    channel = models.CharField(max_length=8, choices=Channel.choices)
    recipient = models.CharField(max_length=254)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    claim = models.UUIDField(null=True)
    made_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "alert_delivery"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "notice_id", "channel", "recipient"], name="one_delivery_per_recipient"
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "-made_at", "-id"], name="alert_delivery_newest_first"),
            models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="alert_delivery_due"),
        ]


class DeliveryAttempt(models.Model):
    """One try of a delivery: when, how long, what the other side said. Append-only."""

    pk = models.CompositePrimaryKey("account_id", "delivery_id", "attempt")
    account_id = models.UUIDField()
    delivery_id = models.UUIDField()
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=300)
    answer = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "alert_attempt"


class Endpoint(models.Model):
    """Where webhooks go. Its secret is derived, never stored: `generation` says which one, `fingerprint` how it begins
    when hashed; the one before is valid until `previous_until_at`, and those before it as `earlier` says: pairs of a
    generation and the instant until which it is valid."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=100, blank=True)
    kinds = models.JSONField(default=list)
    generation = models.PositiveIntegerField(default=1)
    fingerprint = models.CharField(max_length=16)
    previous_until_at = models.DateTimeField(null=True)
    earlier = models.JSONField(default=list)
    is_on = models.BooleanField(default=True)
    off_reason = models.CharField(max_length=300, blank=True)
    succeeded_at = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "alert_endpoint"


class Recipient(models.Model):
    """Which kinds one address gets by mail: a user's own (`user_id`), or an additional one. No row: the usual ones.

    A user's row is known by its user; its `address` only says what the user's was when they first chose."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    user_id = models.UUIDField(null=True)
    address = models.CharField(max_length=254)
    kinds = models.JSONField(default=list)
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "alert_recipient"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "address"], condition=models.Q(user_id__isnull=True), name="one_choice_per_address"
            ),
            models.UniqueConstraint(fields=["account_id", "user_id"], name="one_choice_per_user"),
        ]


class WalletLevels(models.Model):
    """At which balances a wallet is called low: `20%` of what it held after the last funding, or an amount. No row: the
    usual ones; an empty list: never."""

    pk = models.CompositePrimaryKey("account_id", "wallet_id")
    account_id = models.UUIDField()
    wallet_id = models.UUIDField()
    levels = models.JSONField(default=list)
    set_by = models.CharField(max_length=254)
    set_at = models.DateTimeField()

    class Meta:
        db_table = "alert_levels"


class LevelStanding(models.Model):
    """The levels that a wallet is known to be at or below, since which funding, and how often it crossed any."""

    pk = models.CompositePrimaryKey("account_id", "wallet_id")
    account_id = models.UUIDField()
    wallet_id = models.UUIDField()
    below = models.JSONField(default=list)
    funded_at = models.DateTimeField(null=True)
    crossings = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "alert_standing"
