"""When a gateway dropped a card that was removed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A small table; nothing is rewritten."""

    dependencies = [("tollbook", "0021_rows_of_events")]
    operations = [
        migrations.AddField("paymentmethod", "forgotten_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "paymentmethod",
            models.Index(
                fields=["removed_at"],
                condition=models.Q(removed_at__isnull=False, forgotten_at__isnull=True),
                name="payment_method_to_forget",
            ),
        ),
        migrations.RunSQL(
            "GRANT UPDATE (forgotten_at) ON payment_method TO tollbook_engine", migrations.RunSQL.noop
        ),
    ]
