"""Indexes that hold all that the filters of Invoice History ask for, so that skipped rows are not looked up."""

from django.db import migrations, models

ORDERS = {
    "open_balance_by_balance": ["balance", "sequence"],
    "open_balance_by_number": ["sequence"],
    "open_balance_by_amount": ["total", "sequence"],
    "open_balance_by_date": ["issued_on", "sequence"],
}
ASKED = ["invoice_id", "number", "balance", "issued_on", "due_on", "grace_until_on"]


def _index(name: str, fields: list[str]) -> migrations.AddIndex:
    included = [one for one in ASKED if one not in fields]
    return migrations.AddIndex("openbalance", models.Index(fields=["account_id", *fields], include=included, name=name))


class Migration(migrations.Migration):
    """No rows or privileges change."""

    dependencies = [("tollbook", "0008_refill_safety")]
    operations = [
        *[migrations.RemoveIndex("openbalance", name) for name in ORDERS],
        *[_index(name, fields) for name, fields in ORDERS.items()],
    ]
