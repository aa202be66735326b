"""The least that anything billed under a rate costs; and prefixes are digits, no more than a number has."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("tollbook", "0011_usage_archive")]

    operations = [
        migrations.AddField(
            "rate", "minimum_charge", models.DecimalField(max_digits=20, decimal_places=6, default=0, db_default=0)
        ),
        migrations.AddConstraint(
            "rate",
            models.CheckConstraint(condition=models.Q(minimum_charge__gte=0), name="minimum_charge_not_negative"),
        ),
        migrations.AddConstraint(
            "rate",
            models.CheckConstraint(condition=models.Q(prefix__regex=r"^[0-9]{0,15}$"), name="rate_prefix_is_digits"),
        ),
    ]
