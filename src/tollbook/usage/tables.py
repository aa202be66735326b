"""What is stored about usage. Events are append-only; (account_id, event_id) is the deduplication, for ever."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class UsageEvent(models.Model):
    """One debited event: what the sender told, what it was rated with, what it cost (6 places, account's currency).

    `body_digest` covers type, quantity, occurred_at, to and sender, so that the same id with another body is noticed.
    """

    pk = models.CompositePrimaryKey("account_id", "event_id")
    account_id = models.UUIDField()
    event_id = models.CharField(max_length=200)
    type_code = models.CharField(max_length=32)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    quantity = models.DecimalField(max_digits=20, decimal_places=6)
    billed_quantity = models.DecimalField(max_digits=20, decimal_places=6)
    rate_account_id = models.UUIDField()
    rate_id = models.UUIDField()
    rate_cents = models.DecimalField(max_digits=14, decimal_places=6)
    connect_fee = models.DecimalField(**MONEY)
    cost = models.DecimalField(**MONEY)
    to = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=64, blank=True)
    attributes = models.JSONField(default=dict)
    transfer_id = models.UUIDField(null=True)
    hold_id = models.UUIDField(null=True)
    body_digest = models.BinaryField(max_length=16)

    class Meta:
        db_table = "usage_event"
        indexes = [
            models.Index(fields=["account_id", "transfer_id"], name="usage_of_transfer"),
            models.Index(fields=["account_id", "type_code", "-occurred_at"], name="usage_by_time"),
        ]


class UsageSum(models.Model):
    """Events of one type in one quarter of an hour (UTC), kept in step in the events' own transaction.

    A quarter, because every time zone's days are whole numbers of quarters (Nepal is at +05:45).
    """

    pk = models.CompositePrimaryKey("account_id", "type_code", "quarter_at")
    account_id = models.UUIDField()
    type_code = models.CharField(max_length=32)
    quarter_at = models.DateTimeField()
    events = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=24, decimal_places=6)
    billed_quantity = models.DecimalField(max_digits=24, decimal_places=6)
    cost = models.DecimalField(max_digits=24, decimal_places=6)

    class Meta:
        db_table = "usage_sum"
