"""Alerts: notices, deliveries and their attempts, endpoints, who gets what, levels of wallets."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"

# table: (engine's privileges, portal's privileges). The portal chooses, adds endpoints, tests and sends again.
PRIVILEGES = {
    "alert_notice": ("SELECT, INSERT", "SELECT, INSERT"),
    "alert_delivery": (
        "SELECT, INSERT, DELETE, UPDATE (state, due_at, tries, attempts, claim, finished_at, outcome)",
        "SELECT, INSERT, UPDATE (state, due_at, tries, claim, finished_at, outcome)",
    ),
    "alert_attempt": ("SELECT, INSERT, DELETE", "SELECT"),
    "alert_endpoint": (
        "SELECT, INSERT, UPDATE (url, description, kinds, generation, fingerprint, previous_until_at, is_on, off_reason,"
        " succeeded_at, removed_at)",
        "SELECT, INSERT, UPDATE (url, description, kinds, generation, fingerprint, previous_until_at, is_on, off_reason,"
        " removed_at)",
    ),
    "alert_recipient": (
        "SELECT, INSERT, DELETE, UPDATE (kinds, set_by, set_at)",
        "SELECT, INSERT, DELETE, UPDATE (kinds, set_by, set_at)",
    ),
    "alert_levels": ("SELECT, INSERT, DELETE", "SELECT, INSERT, DELETE"),
    "alert_standing": ("SELECT, INSERT, UPDATE (below, funded_at, crossings)", "SELECT"),
}
KEYS = {
    "alert_delivery": ("account_id, notice_id", "alert_notice", "account_id, id"),
    "alert_attempt": ("account_id, delivery_id", "alert_delivery", "account_id, id"),
    "alert_levels": ("account_id, wallet_id", "wallet", "account_id, id"),
    "alert_standing": ("account_id, wallet_id", "wallet", "account_id, id"),
}


def _statements() -> list[str]:
    statements = [f"GRANT SELECT, INSERT, UPDATE (seen_until_at) ON alert_cursor TO {ENGINE}"]
    for table, (engine, portal) in PRIVILEGES.items():
        statements += [
            f"GRANT {engine} ON {table} TO {ENGINE}",
            f"GRANT {portal} ON {table} TO {PORTAL}",
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
            f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
        ]
    for table, (columns, other, theirs) in KEYS.items():
        statements.append(f"ALTER TABLE {table} ADD FOREIGN KEY ({columns}) REFERENCES {other} ({theirs})")
    return statements


def _key(*names: str) -> tuple[str, models.CompositePrimaryKey]:
    key = models.CompositePrimaryKey(
        "account_id", *names, blank=True, editable=False, primary_key=True, serialize=False
    )
    return "pk", key


class Migration(migrations.Migration):
    """New tables, and indexes by time on refills, payments and invoices, which the worker reads what happened by."""

    dependencies = [("tollbook", "0018_money")]
    operations = [
        migrations.CreateModel(
            name="AlertCursor",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("began_at", models.DateTimeField()),
                ("seen_until_at", models.DateTimeField()),
            ],
            options={"db_table": "alert_cursor"},
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                _key("id"),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("notice_id", models.UUIDField()),
                ("channel", models.CharField(choices=[("mail", "Mail"), ("webhook", "Webhook")], max_length=8)),
                ("recipient", models.CharField(max_length=254)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("due_at", models.DateTimeField()),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("claim", models.UUIDField(null=True)),
                ("made_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, max_length=300)),
            ],
            options={"db_table": "alert_delivery"},
        ),
        migrations.CreateModel(
            name="DeliveryAttempt",
            fields=[
                _key("delivery_id", "attempt"),
                ("account_id", models.UUIDField()),
                ("delivery_id", models.UUIDField()),
                ("attempt", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("took_ms", models.PositiveIntegerField()),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("outcome", models.CharField(max_length=300)),
                ("answer", models.CharField(blank=True, max_length=500)),
            ],
            options={"db_table": "alert_attempt"},
        ),
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                _key("id"),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("url", models.CharField(max_length=500)),
                ("description", models.CharField(blank=True, max_length=100)),
                ("kinds", models.JSONField(default=list)),
                ("generation", models.PositiveIntegerField(default=1)),
                ("fingerprint", models.CharField(max_length=16)),
                ("previous_until_at", models.DateTimeField(null=True)),
                ("is_on", models.BooleanField(default=True)),
                ("off_reason", models.CharField(blank=True, max_length=300)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("created_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "alert_endpoint"},
        ),
        migrations.CreateModel(
            name="LevelStanding",
            fields=[
                _key("wallet_id"),
                ("account_id", models.UUIDField()),
                ("wallet_id", models.UUIDField()),
                ("below", models.JSONField(default=list)),
                ("funded_at", models.DateTimeField(null=True)),
                ("crossings", models.PositiveIntegerField(default=0)),
            ],
            options={"db_table": "alert_standing"},
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                _key("id"),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("kind", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=120)),
                ("crossing", models.CharField(blank=True, max_length=60)),
                ("occurred_at", models.DateTimeField()),
                ("made_at", models.DateTimeField()),
                ("data", models.JSONField()),
            ],
            options={"db_table": "alert_notice"},
        ),
        migrations.CreateModel(
            name="Recipient",
            fields=[
                _key("id"),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("user_id", models.UUIDField(null=True)),
                ("address", models.CharField(max_length=254)),
                ("kinds", models.JSONField(default=list)),
                ("set_by", models.CharField(max_length=254)),
                ("set_at", models.DateTimeField()),
            ],
            options={"db_table": "alert_recipient"},
        ),
        migrations.CreateModel(
            name="WalletLevels",
            fields=[
                _key("wallet_id"),
                ("account_id", models.UUIDField()),
                ("wallet_id", models.UUIDField()),
                ("levels", models.JSONField(default=list)),
                ("set_by", models.CharField(max_length=254)),
                ("set_at", models.DateTimeField()),
            ],
            options={"db_table": "alert_levels"},
        ),
        migrations.AddIndex(
            "delivery", models.Index(fields=["account_id", "-made_at", "-id"], name="alert_delivery_newest_first")
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(condition=models.Q(("state", "waiting")), fields=["due_at"], name="alert_delivery_due"),
        ),
        migrations.AddConstraint(
            "delivery",
            models.UniqueConstraint(
                fields=("account_id", "notice_id", "channel", "recipient"), name="one_delivery_per_recipient"
            ),
        ),
        migrations.AddConstraint(
            "notice",
            models.UniqueConstraint(
                fields=("account_id", "kind", "subject", "crossing"), name="one_notice_per_crossing"
            ),
        ),
        migrations.AddConstraint(
            "recipient", models.UniqueConstraint(fields=("account_id", "address"), name="one_choice_per_address")
        ),
        migrations.AddConstraint(
            "recipient", models.UniqueConstraint(fields=("account_id", "user_id"), name="one_choice_per_user")
        ),
        migrations.AddIndex("refill", models.Index(fields=["finished_at"], name="refill_finished")),
        migrations.AddIndex("paymentintent", models.Index(fields=["finished_at"], name="payment_intent_finished")),
        migrations.AddIndex("invoice", models.Index(fields=["issued_at"], name="invoice_issued")),
        *[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in _statements()],
    ]
