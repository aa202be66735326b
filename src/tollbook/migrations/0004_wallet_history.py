"""A wallet's running record by time, and its few movements that are not usage, each along an index of its own."""

from django.db import migrations, models

FIELDS = ["account_id", "wallet_id", "-posted_at", "-id"]


class Migration(migrations.Migration):
    """No new privileges."""

    dependencies = [("tollbook", "0003_invoice_history")]
    operations = [
        migrations.AddIndex("transfer", models.Index(fields=FIELDS, name="transfer_of_wallet")),
        migrations.AddIndex(
            "transfer",
            models.Index(
                fields=FIELDS, condition=models.Q(("kind", "usage"), _negated=True), name="transfer_not_usage"
            ),
        ),
    ]
