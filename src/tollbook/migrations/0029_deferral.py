"""Revenue of days to come: what invoices deferred, and how far it is earned."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
CHANGED = "credited, settled, recognised, from_on, next_on"
MONEY = {"max_digits": 20, "decimal_places": 6}
KEY = ("account_id", "invoice_id", "code", "service_from", "service_until")

# No foreign key to the invoice: a check per row would slow the billing run, and `tollbook audit` proves it instead.
STATEMENTS = [
    f"GRANT SELECT, INSERT, UPDATE ({CHANGED}) ON deferral TO {ENGINE}",
    "ALTER TABLE deferral ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE deferral FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY engine_sees_all ON deferral TO {ENGINE}, CURRENT_USER USING (true)",
    f"CREATE POLICY portal_sees_its_account ON deferral TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
]


class Migration(migrations.Migration):
    """One new table. Invoices issued before have no service days: their revenue was earned at once, and stays so."""

    dependencies = [("tollbook", "0028_payments_for_a_person")]
    operations = [
        migrations.CreateModel(
            name="Deferral",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(*KEY, blank=True, editable=False, primary_key=True, serialize=False),
                ),
                ("account_id", models.UUIDField()),
                ("invoice_id", models.UUIDField()),
                ("code", models.CharField(max_length=80)),
                ("service_from", models.DateField()),
                ("service_until", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("total", models.DecimalField(**MONEY)),
                ("credited", models.DecimalField(**MONEY)),
                ("settled", models.DecimalField(**MONEY)),
                ("recognised", models.DecimalField(**MONEY)),
                ("from_on", models.DateField()),
                ("next_on", models.DateField(null=True)),
            ],
            options={
                "db_table": "deferral",
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_on__isnull", False)),
                        fields=["next_on", "account_id"],
                        name="deferral_next",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("service_until__gte", models.F("service_from"))),
                        name="deferral_days_in_order",
                    ),
                ],
            },
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS),
    ]
