"""What real gateways need: this installation's name, customers, backup cards, and an inbox for what gateways tell."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"


def _guard(table: str, engine: str, portal: str = "") -> list[str]:
    """Least privilege and row-level security, as every table of accounts has them."""
    statements = [
        f"ALTER TABLE {table} ADD FOREIGN KEY (account_id) REFERENCES account (id)",
        f"GRANT {engine} ON {table} TO {ENGINE}",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]
    return [*statements, f"GRANT {portal} ON {table} TO {PORTAL}"] if portal else statements


def _key(*names: str) -> tuple[str, models.CompositePrimaryKey]:
    return "pk", models.CompositePrimaryKey(*names, blank=True, editable=False, primary_key=True, serialize=False)


STATEMENTS = [
    *_guard("gateway_customer", "SELECT, INSERT"),
    *_guard("charge_told", "SELECT, INSERT", "SELECT"),
    f"GRANT SELECT, INSERT, DELETE, UPDATE (due_at, tries, done_at, outcome) ON gateway_event TO {ENGINE}",
    f"GRANT SELECT ON installation TO {ENGINE}",
    f"GRANT UPDATE (is_backup, last4, expires_month, expires_year) ON payment_method TO {ENGINE}",
    "INSERT INTO installation (id, made_at) VALUES (gen_random_uuid(), now())",
]
EVENT = [
    ("kind", models.CharField(max_length=20)),
    ("object_reference", models.CharField(max_length=120)),
    ("created_at", models.DateTimeField()),
    ("received_at", models.DateTimeField()),
]


class Migration(migrations.Migration):
    """Small tables; two columns of payment methods, without rewriting them."""

    dependencies = [("tollbook", "0016_packed_backlog")]
    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("made_at", models.DateTimeField()),
            ],
            options={"db_table": "installation"},
        ),
        migrations.CreateModel(
            name="GatewayCustomer",
            fields=[
                _key("account_id", "gateway", "reference"),
                ("account_id", models.UUIDField()),
                ("gateway", models.CharField(max_length=20)),
                ("reference", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField()),
            ],
            options={"db_table": "gateway_customer"},
        ),
        migrations.CreateModel(
            name="GatewayEventSeen",
            fields=[
                _key("gateway", "event_id"),
                ("gateway", models.CharField(max_length=20)),
                ("event_id", models.CharField(max_length=120)),
                *EVENT,
                ("due_at", models.DateTimeField()),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("done_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, default="", max_length=200)),
            ],
            options={
                "db_table": "gateway_event",
                "indexes": [
                    models.Index(
                        condition=models.Q(done_at__isnull=True), fields=["due_at"], name="gateway_event_waiting"
                    ),
                    models.Index(
                        condition=models.Q(done_at__isnull=False), fields=["done_at"], name="gateway_event_done"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ChargeTold",
            fields=[
                _key("account_id", "gateway", "event_id"),
                ("account_id", models.UUIDField()),
                ("gateway", models.CharField(max_length=20)),
                ("event_id", models.CharField(max_length=120)),
                ("purpose", models.CharField(blank=True, max_length=20)),
                ("our_id", models.CharField(blank=True, max_length=60)),
                *EVENT,
                ("handled_at", models.DateTimeField()),
                ("outcome", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "db_table": "charge_told",
                "indexes": [models.Index(fields=["account_id", "our_id"], name="charge_told_of")],
            },
        ),
        migrations.AddField("paymentmethod", "fingerprint", models.CharField(blank=True, default="", max_length=120)),
        migrations.AddField("paymentmethod", "is_backup", models.BooleanField(default=False)),
        migrations.AddConstraint(
            "paymentmethod",
            models.UniqueConstraint(
                condition=models.Q(is_backup=True, removed_at__isnull=True),
                fields=["account_id"],
                name="one_backup_payment_method",
            ),
        ),
        migrations.AddConstraint(
            "paymentmethod",
            models.CheckConstraint(
                condition=~models.Q(is_default=True, is_backup=True), name="backup_is_another_payment_method"
            ),
        ),
        migrations.RunSQL(";\n".join(STATEMENTS), migrations.RunSQL.noop),
    ]
