"""The day on which something was agreed, as a day of the account's time zone of then."""

from django.db import migrations, models

ADDED_AT = {"subscription": "created_at", "subscriptionchange": "recorded_at", "commitment": "created_at"}
TABLES = {"subscription": "subscription", "subscriptionchange": "subscription_change", "commitment": "commitment"}


def _filled(model: str) -> str:
    return (
        f"UPDATE {TABLES[model]} AS row SET known_on = (row.{ADDED_AT[model]} AT TIME ZONE account.timezone)::date"
        " FROM account WHERE account.id = row.account_id"
    )


class Migration(migrations.Migration):
    """What is recorded keeps the day it has in the zone of now, which is how it was billed."""

    dependencies = [("tollbook", "0031_given_back")]
    operations = [
        *(migrations.AddField(model, "known_on", models.DateField(null=True)) for model in TABLES),
        *(migrations.RunSQL(_filled(model), migrations.RunSQL.noop) for model in TABLES),
        *(migrations.AlterField(model, "known_on", models.DateField()) for model in TABLES),
    ]
