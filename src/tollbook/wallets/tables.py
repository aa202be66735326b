"""What a wallet stores. `paid + granted` is the balance, and this is the only place where it is kept."""

from django.db import models

MONEY = {"max_digits": 20, "decimal_places": 6}


class Wallet(models.Model):
    """An account's prepaid money for one credit type, in the account's currency.

    `held` is the sum of its open holds. `funded_balance` is the balance right after the last funding at `funded_at`;
    `spent_since_funding` is what was debited since. Changed only under its row lock.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    type_code = models.CharField(max_length=32)
    currency = models.CharField(max_length=3)
    paid = models.DecimalField(**MONEY, default=0)
    granted = models.DecimalField(**MONEY, default=0)
    held = models.DecimalField(**MONEY, default=0)
    funded_balance = models.DecimalField(**MONEY, default=0)
    funded_at = models.DateTimeField(null=True)
    spent_since_funding = models.DecimalField(**MONEY, default=0)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "wallet"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "type_code"], name="one_wallet_per_type"),
            models.CheckConstraint(condition=models.Q(held__gte=0), name="held_not_negative"),
            models.CheckConstraint(condition=models.Q(granted__gte=0), name="granted_not_negative"),
        ]


class HoldState(models.TextChoices):
    """A hold is open, then over; nothing opens it again."""

    OPEN = "open", "Open"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Hold(models.Model):
    """Money set aside for something in progress that carries `event_id`; closed once, in one way."""

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    event_id = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=HoldState.choices, default=HoldState.OPEN)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "hold"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "event_id", "closed_at"], nulls_distinct=False, name="one_open_hold_of_event"
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", closed_at__isnull=True)
                | (~models.Q(state="open") & models.Q(closed_at__isnull=False)),
                name="hold_is_open_until_closed",
            ),
        ]
        indexes = [
            models.Index(fields=["account_id", "expires_at"], condition=models.Q(state="open"), name="hold_that_is_open"),
            models.Index(fields=["id"], name="hold_by_id"),  # a platform-wide key names a hold by its id alone
        ]


class HoldItem(models.Model):
    """What a hold sets aside in one wallet: quantity in the type's unit, amount in the wallet's currency."""

    pk = models.CompositePrimaryKey("account_id", "hold_id", "position")
    account_id = models.UUIDField()
    hold_id = models.UUIDField()
    position = models.SmallIntegerField()
    wallet_id = models.UUIDField()
    type_code = models.CharField(max_length=32)
    quantity = models.DecimalField(max_digits=20, decimal_places=6)
    amount = models.DecimalField(**MONEY)
    to = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "hold_item"


class HoldMove(models.Model):
    """One change of a wallet's held money: the running record of reserve, extend, capture, release, expire. Append-only."""

    pk = models.CompositePrimaryKey("account_id", "wallet_id", "at", "id")  # the order in which it is read
    account_id = models.UUIDField()
    id = models.UUIDField()
    wallet_id = models.UUIDField()
    hold_id = models.UUIDField()
    event_id = models.CharField(max_length=200)
    at = models.DateTimeField()
    kind = models.CharField(max_length=16)
    amount = models.DecimalField(**MONEY)
    held_before = models.DecimalField(**MONEY)
    held_after = models.DecimalField(**MONEY)

    class Meta:
        db_table = "hold_move"
