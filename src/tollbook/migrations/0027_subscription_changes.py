"""Changes of subscriptions beside what was agreed, prices from a day on, charge models and intervals, commitments."""

import datetime

import django.db.models.expressions
from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"


def _guard(table: str, engine: str, keys: tuple[str, ...] = ()) -> list[str]:
    """Least privilege, foreign keys that carry the account, row-level security."""
    return [
        f"GRANT {engine} ON {table} TO {ENGINE}",
        f"GRANT SELECT ON {table} TO {PORTAL}",
        f"ALTER TABLE {table} ADD FOREIGN KEY (account_id) REFERENCES account (id)",
        *(f"ALTER TABLE {table} ADD FOREIGN KEY {key}" for key in keys),
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]


OF_SUBSCRIPTION = "(account_id, subscription_id) REFERENCES subscription (account_id, id)"
STATEMENTS = [
    "ALTER TABLE component ALTER scheme SET DEFAULT '{}'",
    "ALTER TABLE subscription ALTER scheme SET DEFAULT '{}'",
    "REVOKE UPDATE (ends_on) ON subscription FROM tollbook_engine",
    "ALTER TABLE component_price ADD FOREIGN KEY (component_code) REFERENCES component (code)",
    f"GRANT SELECT, INSERT ON component_price TO {ENGINE}",
    f"GRANT SELECT ON component_price TO {PORTAL}",
    *_guard("subscription_change", "SELECT, INSERT", (OF_SUBSCRIPTION,)),
    *_guard("commitment", "SELECT, INSERT, UPDATE (ends_on)"),
]


class Migration(migrations.Migration):
    """What existing subscriptions cost stays as it is: billed whole, by what is in force on a period's first day."""

    dependencies = [
        ("tollbook", "0026_shared_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Commitment",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20)),
                ("starts_on", models.DateField()),
                ("ends_on", models.DateField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "commitment",
            },
        ),
        migrations.CreateModel(
            name="ComponentPrice",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("component_code", models.CharField(max_length=40)),
                ("valid_from", models.DateField()),
                ("model", models.CharField(max_length=16)),
                ("price", models.DecimalField(decimal_places=6, max_digits=20)),
                ("scheme", models.JSONField(default=dict)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "db_table": "component_price",
            },
        ),
        migrations.CreateModel(
            name="SubscriptionChange",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("subscription_id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("quantity", "Quantity"),
                            ("price", "Price"),
                            ("discount", "Discount"),
                            ("pause", "Pause"),
                            ("resume", "Resume"),
                            ("end", "End"),
                            ("withdraw", "Taken back"),
                        ],
                        max_length=16,
                    ),
                ),
                ("from_on", models.DateField()),
                ("until_on", models.DateField(null=True)),
                ("quantity", models.DecimalField(decimal_places=3, max_digits=14, null=True)),
                ("model", models.CharField(blank=True, default="", max_length=16)),
                ("price", models.DecimalField(decimal_places=6, max_digits=20, null=True)),
                ("scheme", models.JSONField(default=dict)),
                ("percent", models.DecimalField(decimal_places=4, max_digits=7, null=True)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20, null=True)),
                ("prorated", models.BooleanField(default=True)),
                ("at_once", models.BooleanField(default=False)),
                ("withdraws", models.UUIDField(null=True)),
                ("recorded_at", models.DateTimeField()),
                ("recorded_by", models.CharField(blank=True, max_length=254)),
            ],
            options={
                "db_table": "subscription_change",
            },
        ),
        migrations.AddField(
            model_name="component",
            name="grant_amount",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=20),
        ),
        migrations.AddField(
            model_name="component",
            name="grant_type_code",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="component",
            name="model",
            field=models.CharField(db_default="per_unit", default="per_unit", max_length=16),
        ),
        migrations.AddField(
            model_name="component",
            name="months",
            field=models.PositiveSmallIntegerField(
                choices=[(1, "Monthly"), (3, "Quarterly"), (12, "Yearly")], db_default=1, default=1
            ),
        ),
        migrations.AddField(
            model_name="component",
            name="scheme",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="component",
            name="tax_code",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="subscription",
            name="anchor_on",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="at_once",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="subscription",
            name="follows",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="subscription",
            name="free_until",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="model",
            field=models.CharField(db_default="per_unit", default="per_unit", max_length=16),
        ),
        migrations.AddField(
            model_name="subscription",
            name="months",
            field=models.PositiveSmallIntegerField(
                choices=[(1, "Monthly"), (3, "Quarterly"), (12, "Yearly")], db_default=1, default=1
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="prorated",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="subscription",
            name="scheme",
            field=models.JSONField(default=dict),
        ),
        migrations.AlterField(
            model_name="component",
            name="kind",
            field=models.CharField(
                choices=[("recurring", "Recurring fee"), ("setup", "Setup fee"), ("one_off", "One-off charge")],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="kind",
            field=models.CharField(
                choices=[("recurring", "Recurring fee"), ("setup", "Setup fee"), ("one_off", "One-off charge")],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("months__in", [1, 3, 12])), name="subscription_interval"
            ),
        ),
        migrations.AddIndex(
            model_name="commitment",
            index=models.Index(fields=["account_id", "starts_on"], name="commitment_of_account"),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="commitment_amount"),
        ),
        migrations.AddConstraint(
            model_name="commitment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_on__isnull", True),
                    (
                        "ends_on__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("starts_on"), "-", models.Value(datetime.timedelta(days=1))
                        ),
                    ),
                    _connector="OR",
                ),
                name="commitment_ends_after_it_starts",
            ),
        ),
        migrations.AddIndex(
            model_name="componentprice",
            index=models.Index(fields=["component_code", "valid_from"], name="component_price_versions"),
        ),
        migrations.AddIndex(
            model_name="subscriptionchange",
            index=models.Index(fields=["account_id", "subscription_id", "recorded_at"], name="change_of_subscription"),
        ),
        migrations.AddIndex(
            model_name="subscriptionchange",
            index=models.Index(fields=["account_id", "recorded_at"], name="change_recorded"),
        ),
        migrations.AddConstraint(
            model_name="subscriptionchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__isnull", True), ("quantity__gt", 0), _connector="OR"),
                name="change_of_quantity",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptionchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__isnull", True), ("price__gte", 0), _connector="OR"), name="change_of_price"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptionchange",
            constraint=models.UniqueConstraint(fields=("account_id", "withdraws"), name="change_taken_back_once"),
        ),
        *[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS],
    ]
