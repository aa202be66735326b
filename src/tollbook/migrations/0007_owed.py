"""What is owed, summed from a narrow index of its own: most invoices of an old account are paid."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Only an index."""

    dependencies = [("tollbook", "0006_remembered_answers")]
    operations = [
        migrations.AddIndex(
            "openbalance",
            models.Index(
                fields=["account_id", "grace_until_on", "due_on", "balance"],
                name="open_balance_owed",
                condition=models.Q(balance__gt=0),
            ),
        ),
    ]
