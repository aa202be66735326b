"""Included credit is what a component said when a subscription of it started."""

from django.db import migrations, models

FILLED = """
    UPDATE subscription SET grant_type_code = component.grant_type_code, grant_amount = component.grant_amount
    FROM component WHERE component.code = subscription.component_code AND component.grant_amount > 0"""


class Migration(migrations.Migration):
    """Running subscriptions keep what their components include now, which is what they were granted."""

    dependencies = [("tollbook", "0032_known_on")]
    operations = [
        migrations.AddField(
            "subscription", "grant_type_code", models.CharField(blank=True, db_default="", default="", max_length=40)
        ),
        migrations.AddField(
            "subscription", "grant_amount", models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=20)
        ),
        migrations.RunSQL(FILLED, migrations.RunSQL.noop),
    ]
