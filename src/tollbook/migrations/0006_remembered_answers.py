"""Answers remembered by Idempotency-Key, and holds found by their id alone."""

from django.db import migrations, models

ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
RIGHTS = [
    "ALTER TABLE remembered_answer ADD FOREIGN KEY (account_id) REFERENCES account (id)",
    "GRANT SELECT, INSERT, DELETE ON remembered_answer TO tollbook_engine",
    "ALTER TABLE remembered_answer ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE remembered_answer FORCE ROW LEVEL SECURITY",
    "CREATE POLICY engine_sees_all ON remembered_answer TO tollbook_engine, CURRENT_USER USING (true)",
    f"CREATE POLICY portal_sees_its_account ON remembered_answer TO tollbook_portal USING (account_id = {ACCOUNT})",
]


class Migration(migrations.Migration):
    """The portal has no business with this table: no privilege, and a policy should it ever get one."""

    dependencies = [("tollbook", "0005_invoice_rules")]
    operations = [
        migrations.CreateModel(
            name="RememberedAnswer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("key", models.CharField(max_length=200)),
                ("request_digest", models.BinaryField(max_length=32)),
                ("status", models.PositiveSmallIntegerField()),
                ("answer", models.TextField()),
                ("answered_at", models.DateTimeField()),
            ],
            options={
                "db_table": "remembered_answer",
                "indexes": [models.Index(fields=["answered_at"], name="remembered_by_age")],
            },
        ),
        migrations.AddIndex(model_name="hold", index=models.Index(fields=["id"], name="hold_by_id")),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in RIGHTS),
    ]
