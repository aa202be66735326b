"""Charges of the simulated gateway that wait for their holder can be cancelled."""

from django.db import migrations


class Migration(migrations.Migration):
    """A grant; nothing is rewritten."""

    dependencies = [("tollbook", "0022_forgotten_cards")]
    operations = [
        migrations.RunSQL(
            "GRANT UPDATE (outcome, decline_code) ON simulated_charge TO tollbook_engine",
            "REVOKE UPDATE (outcome, decline_code) ON simulated_charge FROM tollbook_engine",
        ),
    ]
