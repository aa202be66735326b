"""What is stored about usage. Events are append-only; (account_id, event_id) is the deduplication, for ever."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class UsageEvent(models.Model):
    """One debited event: what the sender told, the rate it was rated with, what it cost (6 places, account's currency).

    The busiest table, so it repeats nothing that stands elsewhere (`UsageTold` joins it): prices stand in the rate, the
    attributes that many events share in an `AttributeValue` (0: none), the instant of receipt in `transfer_id`. That is
    the debit it is part of, or, when all of its batch cost nothing, only the name of that batch. The table also has an
    index by account, type and minute, of an expression: equal keys are kept once.
    """

    pk = models.CompositePrimaryKey("account_id", "event_id")
    account_id = models.UUIDField()
    event_id = models.CharField(max_length=200, db_collation="C")
    type_code = models.CharField(max_length=32, db_collation="C")
    occurred_at = models.DateTimeField()
    quantity = models.DecimalField(max_digits=20, decimal_places=6)
    billed_quantity = models.DecimalField(max_digits=20, decimal_places=6)
    rate_id = models.UUIDField()
    cost = models.DecimalField(**MONEY)
    to = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=64, blank=True)
    campaign_id = models.IntegerField(default=0)
    agent_id = models.IntegerField(default=0)
    attributes = models.JSONField(default=dict)
    transfer_id = models.UUIDField()

    class Meta:
        db_table = "usage_event"
        indexes = [models.Index(fields=["account_id", "transfer_id"], name="usage_of_transfer")]


class UsageTold(models.Model):
    """An event as it is told: with the price it was rated at, all its attributes, the hold it closed, and the event that it
    takes back. A view."""

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
    to = models.CharField(max_length=64)
    sender = models.CharField(max_length=64)
    attributes = models.JSONField()
    transfer_id = models.UUIDField()
    hold_id = models.UUIDField(null=True)
    reverses_id = models.CharField(max_length=200, null=True)

    class Meta:
        db_table = "usage_told"
        managed = False


class AttributeValue(models.Model):
    """A value that many events share, such as a campaign's name, kept once. `id` is the database's own count."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.IntegerField()
    name = models.CharField(max_length=16)
    value = models.CharField(max_length=100)

    class Meta:
        db_table = "attribute_value"
        constraints = [models.UniqueConstraint(fields=["account_id", "name", "value"], name="one_value_of_a_name")]


class UsageBacklog(models.Model):
    """Events of one batch and type that the roll-ups by attribute don't hold yet, packed as `owed` says; goes in the
    transaction in which they do."""

    pk = models.CompositePrimaryKey("account_id", "transfer_id")
    account_id = models.UUIDField()
    transfer_id = models.UUIDField()
    type_code = models.CharField(max_length=32)
    events = models.IntegerField()
    packed = models.BinaryField()

    class Meta:
        db_table = "usage_backlog"


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


class UsageArchive(models.Model):
    """One file of archived events: a calendar month (UTC, by `occurred_at`) of an account, or a later part of it, which
    holds what came for that month after it was archived. Written once; the file is what `sha256` and `bytes` say."""

    pk = models.CompositePrimaryKey("account_id", "month_on", "part")
    account_id = models.UUIDField()
    month_on = models.DateField()
    part = models.SmallIntegerField()
    events = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=24, decimal_places=6)
    billed_quantity = models.DecimalField(max_digits=24, decimal_places=6)
    cost = models.DecimalField(max_digits=24, decimal_places=6)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    first_transfer_id = models.UUIDField()
    last_transfer_id = models.UUIDField()
    bytes = models.BigIntegerField()
    sha256 = models.BinaryField()
    archived_at = models.DateTimeField()

    class Meta:
        db_table = "usage_archive"


class UsageArchived(models.Model):
    """The key of an archived event, so that no id is ever debited twice; which file has it; and in `body` a digest of
    what tells it from another event with that id (`known.digest_of`), so that no file is opened to find that out."""

    pk = models.CompositePrimaryKey("account_id", "event_id")
    account_id = models.UUIDField()
    body = models.BigIntegerField()
    month_on = models.DateField()
    part = models.SmallIntegerField()
    event_id = models.CharField(max_length=200, db_collation="C")

    class Meta:
        db_table = "usage_archived"


class UsageByAttribute(models.Model):
    """Events of one type with one value of an attribute (`campaign`, `agent` or `country`; '' for none) from `begins_at` on.

    For an hour, or half or a quarter of one where the account's time zone needs that (`fold.width_of`). What the backlog
    lists is not in it yet. Corrections count as events, with negative sums.
    """

    pk = models.CompositePrimaryKey("account_id", "attribute", "begins_at", "type_code", "value")
    account_id = models.UUIDField()
    attribute = models.CharField(max_length=16, db_collation="C")
    begins_at = models.DateTimeField()
    type_code = models.CharField(max_length=32, db_collation="C")
    value = models.CharField(max_length=100, blank=True, db_collation="C")
    events = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=24, decimal_places=6)
    billed_quantity = models.DecimalField(max_digits=24, decimal_places=6)
    cost = models.DecimalField(max_digits=24, decimal_places=6)

    class Meta:
        db_table = "usage_by_attribute"


class UsageReversal(models.Model):
    """That one event takes back another one, wholly or in part, and why. The money is the event's own (negative) cost.

    `place` counts the reversals of one original from 1 on without a gap, which is what keeps two that come at once apart.
    `asked_quantity` is what the sender told to take back, empty for all that was left.
    """

    pk = models.CompositePrimaryKey("account_id", "reverses_id", "place")
    account_id = models.UUIDField()
    reverses_id = models.CharField(max_length=200, db_collation="C")
    place = models.SmallIntegerField()
    event_id = models.CharField(max_length=200, db_collation="C")
    asked_quantity = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=254, blank=True)

    class Meta:
        db_table = "usage_reversal"
        constraints = [models.UniqueConstraint(fields=["account_id", "event_id"], name="one_reversal_per_event")]
