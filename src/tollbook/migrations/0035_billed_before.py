"""What was recorded after its period had its invoice was not billed by the rules of before, and is not billed now."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
FILL = """
INSERT INTO billed_before (account_id, cause)
SELECT subscription.account_id, 'fee:' || subscription.id || ':' || invoice.period_start_on
FROM subscription
JOIN invoice ON invoice.account_id = subscription.account_id AND invoice.kind = 'recurring'
    AND invoice.cause = 'period:' || invoice.period_start_on AND invoice.period_start_on >= subscription.starts_on
    AND invoice.issued_at < subscription.created_at
WHERE subscription.kind = 'recurring'
  AND NOT EXISTS (
      SELECT FROM invoice_line
      WHERE invoice_line.account_id = subscription.account_id
        AND invoice_line.cause = 'fee:' || subscription.id || ':' || invoice.period_start_on
  )
"""
STATEMENTS = [
    f"GRANT SELECT, INSERT ON billed_before TO {ENGINE}",
    "ALTER TABLE billed_before ADD FOREIGN KEY (account_id) REFERENCES account (id)",
    "ALTER TABLE billed_before ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE billed_before FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY engine_sees_all ON billed_before TO {ENGINE}, CURRENT_USER USING (true)",
    f"CREATE POLICY portal_sees_its_account ON billed_before TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    FILL,
]


class Migration(migrations.Migration):
    """A small table: a row for each period that a subscription was recorded too late for."""

    dependencies = [("tollbook", "0034_tax_facts")]
    operations = [
        migrations.CreateModel(
            name="BilledBefore",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "cause", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("cause", models.CharField(max_length=160)),
            ],
            options={"db_table": "billed_before"},
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS),
    ]
