"""What a credit note gives back in place of an invoice is noted, so that it is given back once."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
STATEMENTS = [
    f"GRANT SELECT, INSERT ON given_back TO {ENGINE}",
    f"GRANT SELECT ON given_back TO {PORTAL}",
    "ALTER TABLE given_back ADD FOREIGN KEY (account_id, credit_note_id) REFERENCES credit_note (account_id, id)",
    "ALTER TABLE given_back ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE given_back FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY engine_sees_all ON given_back TO {ENGINE}, CURRENT_USER USING (true)",
    f"CREATE POLICY portal_sees_its_account ON given_back TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    f"GRANT SELECT ON billed_before TO {PORTAL}",
]


class Migration(migrations.Migration):
    """A small table: a row for each line that a credit note took the place of."""

    dependencies = [("tollbook", "0036_questions")]
    operations = [
        migrations.CreateModel(
            name="GivenBack",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "cause", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("cause", models.CharField(max_length=160)),
                ("credit_note_id", models.UUIDField()),
            ],
            options={"db_table": "given_back"},
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS),
    ]
