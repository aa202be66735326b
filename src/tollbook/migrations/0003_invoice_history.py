"""Invoice History from one narrow table, setup fees billed once, subscriptions taken back before they begin."""

from datetime import timedelta

from django.db import migrations, models
from django.db.models import F, Q

MONEY = {"max_digits": 20, "decimal_places": 6}
COPIES = {
    "number": lambda **null: models.CharField(max_length=40, **null),
    "sequence": lambda **null: models.BigIntegerField(**null),
    "total": lambda **null: models.DecimalField(**MONEY, **null),
    "issued_on": lambda **null: models.DateField(**null),
    "due_on": lambda **null: models.DateField(**null),
    "grace_until_on": lambda **null: models.DateField(**null),
}
FILL = """
UPDATE open_balance SET number = i.number, sequence = i.sequence, total = i.total, issued_on = i.issued_on,
                        due_on = i.due_on, grace_until_on = i.grace_until_on
FROM invoice AS i WHERE i.account_id = open_balance.account_id AND i.id = open_balance.invoice_id
"""


def _index(name: str, *fields: str) -> migrations.AddIndex:
    return migrations.AddIndex("openbalance", models.Index(fields=["account_id", *fields], name=name))


class Migration(migrations.Migration):
    """No new privileges: the engine may update the balance only, so the copies beside it stay as they were inserted."""

    dependencies = [("tollbook", "0002_roles_and_rows")]
    operations = [
        *[migrations.AddField("openbalance", name, field(null=True)) for name, field in COPIES.items()],
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        *[migrations.AlterField("openbalance", name, field()) for name, field in COPIES.items()],
        migrations.RemoveConstraint("openbalance", "open_balance_not_negative"),
        migrations.AddConstraint(
            "openbalance",
            models.CheckConstraint(condition=Q(balance__gte=0, balance__lte=F("total")), name="open_balance_within_total"),
        ),
        migrations.RemoveIndex("openbalance", "open_balance_by_amount"),
        _index("open_balance_by_balance", "balance", "sequence"),
        _index("open_balance_by_number", "sequence"),
        _index("open_balance_by_amount", "total", "sequence"),
        _index("open_balance_by_date", "issued_on", "sequence"),
        migrations.RemoveIndex("invoice", "invoice_by_amount"),
        migrations.AddConstraint(
            "invoiceline",
            models.UniqueConstraint(
                fields=["account_id", "subscription_id"],
                condition=Q(revenue_code="revenue:setup"),
                name="setup_fee_billed_once",
            ),
        ),
        migrations.RemoveConstraint("subscription", "subscription_ends_after_it_starts"),
        migrations.AddConstraint(
            "subscription",
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on") - timedelta(days=1)),
                name="subscription_ends_after_it_starts",
            ),
        ),
    ]
