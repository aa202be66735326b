"""Archived months of usage: what was written to which file, and the keys that keep deduplication for ever and global.

Only the owner of the tables, as whom `tollbook archive` runs, may write these two or take rows out of `usage_event`; to
the application they are there to be read.
"""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
MONEY = {"max_digits": 24, "decimal_places": 6}


def _guard(table: str) -> list[str]:
    """Least privilege and row-level security, as every table of accounts has them."""
    return [
        f"GRANT SELECT ON {table} TO {ENGINE}, {PORTAL}",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]


def _key(*names: str) -> tuple[str, models.CompositePrimaryKey]:
    key = models.CompositePrimaryKey("account_id", *names, blank=True, editable=False, primary_key=True, serialize=False)
    return "pk", key


STATEMENTS = [
    *_guard("usage_archive"),
    *_guard("usage_archived"),
    # Months leave at once, a few hundredths of the table: vacuum must not wait until it is a fifth, as it does by default.
    "ALTER TABLE usage_event SET (autovacuum_vacuum_scale_factor = 0.02)",
    # Written once, in long runs, and never changed.
    "ALTER TABLE usage_archived SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0)",
]


class Migration(migrations.Migration):
    """Two new tables; nothing is moved."""

    dependencies = [("tollbook", "0010_slim_events")]
    operations = [
        migrations.CreateModel(
            name="UsageArchive",
            fields=[
                _key("month_on", "part"),
                ("account_id", models.UUIDField()),
                ("month_on", models.DateField()),
                ("part", models.SmallIntegerField()),
                ("events", models.BigIntegerField()),
                ("quantity", models.DecimalField(**MONEY)),
                ("billed_quantity", models.DecimalField(**MONEY)),
                ("cost", models.DecimalField(**MONEY)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("first_transfer_id", models.UUIDField()),
                ("last_transfer_id", models.UUIDField()),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.BinaryField()),
                ("archived_at", models.DateTimeField()),
            ],
            options={"db_table": "usage_archive"},
        ),
        migrations.CreateModel(
            name="UsageArchived",
            fields=[
                _key("event_id"),
                ("account_id", models.UUIDField()),
                ("body", models.BigIntegerField()),
                ("month_on", models.DateField()),
                ("part", models.SmallIntegerField()),
                ("event_id", models.CharField(max_length=200, db_collation="C")),
            ],
            options={"db_table": "usage_archived"},
        ),
        *[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS],
    ]
