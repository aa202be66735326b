"""What the ledger stores. Transfers and entries are append-only: the application's roles may INSERT and SELECT.

Amounts are signed: a debit is positive, a credit negative, and the entries of a transfer sum to zero. A wallet is a
liability, so its balance is minus the sum of its entries.
"""

from django.db import models


class LedgerAccount(models.Model):
    """One account of the books: `wallet:sms:paid`, `receivable`, `clearing:stripe`, `revenue:usage`, `tax` ..."""

    pk = models.CompositePrimaryKey("account_id", "code")
    account_id = models.UUIDField()
    code = models.CharField(max_length=80)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_account"


class Transfer(models.Model):
    """One movement of money. `kind` and `reference` name its cause, once. Wallet fields are set when it moves a wallet.

    `wallet_seq` counts a wallet's transfers from 1 without a gap; `digest` seals this one and everything before it.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    posted_at = models.DateTimeField()
    kind = models.CharField(max_length=24)
    reference = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=254, blank=True)
    wallet_id = models.UUIDField(null=True)
    wallet_seq = models.BigIntegerField(null=True)
    balance_before = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    balance_after = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    detail_count = models.IntegerField(default=0)
    detail_digest = models.BinaryField(max_length=32, null=True)
    digest = models.BinaryField(max_length=32, null=True)

    class Meta:
        db_table = "transfer"
        constraints = [
            models.UniqueConstraint(fields=["account_id", "kind", "reference"], name="transfer_cause_once"),
            models.UniqueConstraint(fields=["account_id", "wallet_id", "wallet_seq"], name="transfer_chain_order"),
        ]
        indexes = [
            models.Index(fields=["account_id", "-posted_at", "-id"], name="transfer_newest_first"),
            models.Index(fields=["account_id", "wallet_id", "-posted_at", "-id"], name="transfer_of_wallet"),
            # Refills and corrections are few among millions of debits; a page or a chart of them must not read those.
            models.Index(
                fields=["account_id", "wallet_id", "-posted_at", "-id"],
                condition=~models.Q(kind="usage"),
                name="transfer_not_usage",
            ),
        ]


class Entry(models.Model):
    """One side of a transfer: a signed amount on one account of the books (debit positive, credit negative)."""

    pk = models.CompositePrimaryKey("account_id", "transfer_id", "position")
    account_id = models.UUIDField()
    transfer_id = models.UUIDField()
    position = models.SmallIntegerField()
    code = models.CharField(max_length=80)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=20, decimal_places=6)

    class Meta:
        db_table = "entry"
        constraints = [models.CheckConstraint(condition=~models.Q(amount=0), name="entry_moves_something")]
        indexes = [models.Index(fields=["account_id", "code"], name="entry_by_code")]
