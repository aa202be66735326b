"""The bytes of credit notes, receipts and statements as first handed out, kept like those of invoices."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
STATEMENTS = [
    f"GRANT SELECT, INSERT ON document_file TO {ENGINE}, {PORTAL}",
    "ALTER TABLE document_file ADD FOREIGN KEY (account_id) REFERENCES account (id)",
    "ALTER TABLE document_file ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE document_file FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY engine_sees_all ON document_file TO {ENGINE}, CURRENT_USER USING (true)",
    f"CREATE POLICY portal_sees_its_account ON document_file TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
]


class Migration(migrations.Migration):
    """A new table; append-only for the application's roles."""

    dependencies = [("tollbook", "0029_deferral")]
    operations = [
        migrations.CreateModel(
            name="DocumentFile",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "kind", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("kind", models.CharField(max_length=20)),
                ("name", models.CharField(max_length=80)),
                ("sha256", models.BinaryField(max_length=32)),
                ("content", models.BinaryField()),
                ("typeset_at", models.DateTimeField()),
            ],
            options={"db_table": "document_file"},
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS),
    ]
