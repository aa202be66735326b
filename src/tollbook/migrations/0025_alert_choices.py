"""A user's choice and an additional address no longer stand in each other's way; secrets of several rotations."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"


class Migration(migrations.Migration):
    """Two small tables; nothing is rewritten."""

    dependencies = [("tollbook", "0024_billing")]
    operations = [
        migrations.RemoveConstraint("recipient", "one_choice_per_address"),
        migrations.AddConstraint(
            "recipient",
            models.UniqueConstraint(
                condition=models.Q(("user_id__isnull", True)),
                fields=("account_id", "address"),
                name="one_choice_per_address",
            ),
        ),
        migrations.AddField("endpoint", "earlier", models.JSONField(default=list)),
        migrations.RunSQL(f"GRANT UPDATE (earlier) ON alert_endpoint TO {ENGINE}, {PORTAL}", migrations.RunSQL.noop),
    ]
