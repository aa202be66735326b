"""A person may say that a refill's charge was given back at the gateway."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """What may be chosen; nothing of the table changes."""

    dependencies = [("tollbook", "0030_document_files")]
    operations = [
        migrations.AlterField(
            "refillattempt",
            "state",
            models.CharField(
                choices=[
                    ("sent", "Sent"),
                    ("unknown", "No answer yet"),
                    ("succeeded", "Succeeded"),
                    ("declined", "Declined"),
                    ("action_required", "Waits for the card's holder"),
                    ("never_received", "Never reached the gateway"),
                    ("given_back", "Given back at the gateway"),
                ],
                db_default="sent",
                max_length=16,
            ),
        ),
    ]
