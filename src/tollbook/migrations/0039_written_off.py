"""An invoice that was given up says so: what is written off of it stands beside what is owed."""

from django.db import migrations, models
from django.db.models import F, Q

DECIDES = ["balance", "written_off", "issued_on", "due_on", "grace_until_on"]
ORDERS = {
    "open_balance_by_number": (["sequence"], ["invoice_id", "number", *DECIDES]),
    "open_balance_by_amount": (["size", "total", "sequence"], ["invoice_id", *DECIDES]),
    "open_balance_by_date": (["issued_on", "sequence"], ["invoice_id", *DECIDES]),
}
FILL = """
UPDATE open_balance SET written_off = given_up.total
FROM (SELECT account_id, invoice_id, sum(amount) AS total FROM reduction
      WHERE kind = 'write_off' GROUP BY account_id, invoice_id) AS given_up
WHERE open_balance.account_id = given_up.account_id AND open_balance.invoice_id = given_up.invoice_id
"""


def _index(name: str, fields: list[str], asked: list[str]) -> migrations.AddIndex:
    included = [one for one in asked if one not in fields]
    return migrations.AddIndex("openbalance", models.Index(fields=["account_id", *fields], include=included, name=name))


class Migration(migrations.Migration):
    """A column with a constant default, filled where something was written off; the indexes of lists hold it, too."""

    dependencies = [("tollbook", "0038_counted_history")]
    operations = [
        migrations.AddField(
            "openbalance", "written_off", models.DecimalField(max_digits=20, decimal_places=6, default=0, db_default=0)
        ),
        migrations.RunSQL("GRANT UPDATE (written_off) ON open_balance TO tollbook_engine", migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "openbalance",
            models.CheckConstraint(
                condition=Q(written_off__gte=0, written_off__lte=F("total") - F("balance")), name="written_off_within_total"
            ),
        ),
        *[migrations.RemoveIndex("openbalance", name) for name in ORDERS],
        *[_index(name, *columns) for name, columns in ORDERS.items()],
        migrations.AddIndex(
            "openbalance",
            models.Index(
                fields=["account_id", "issued_on", "sequence"],
                include=["invoice_id", "number", "balance", "written_off"],
                name="open_balance_written_off",
                condition=Q(written_off__gt=0),
            ),
        ),
    ]
