"""Payments of invoices by card, account credit, refunds, disputes, and when invoices are collected."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"

INTENT = (
    "state, attempt, gateway, method_id, page_url, page_reference, charging_at, asked_at, asks, finished_at, outcome, code,"
    " is_hard, charge_reference, payment_id"
)
REFUND = "state, sent_at, asked_at, asks, finished_at, outcome, reference"
DISPUTE = "state, fee, taken, lost, moves, closed_at"
# table: (engine's privileges, its foreign keys)
TABLES = {
    "payment_intent": (f"SELECT, INSERT, UPDATE ({INTENT})", ["invoice_id:invoice:id", "payment_id:payment:id"]),
    "card_attempt": ("SELECT, INSERT, UPDATE (failed_at, is_hard)", []),
    "open_credit": ("SELECT, INSERT, UPDATE (balance)", ["payment_id:payment:id"]),
    "refund": (f"SELECT, INSERT, UPDATE ({REFUND})", ["payment_id:payment:id"]),
    "dispute": (f"SELECT, INSERT, UPDATE ({DISPUTE})", ["payment_id:payment:id"]),
    "collection_choice": ("SELECT, INSERT, UPDATE", []),
}


def _guard(table: str, engine: str, keys: list[str]) -> list[str]:
    """Least privilege, foreign keys that carry the account, row-level security."""
    split = [key.split(":") for key in keys]
    return [
        f"GRANT {engine} ON {table} TO {ENGINE}",
        f"GRANT SELECT ON {table} TO {PORTAL}",
        f"ALTER TABLE {table} ADD FOREIGN KEY (account_id) REFERENCES account (id)",
        *(
            f"ALTER TABLE {table} ADD FOREIGN KEY (account_id, {column}) REFERENCES {other} (account_id, {their})"
            for column, other, their in split
        ),
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]


STATEMENTS = [
    *(statement for table, (engine, keys) in TABLES.items() for statement in _guard(table, engine, keys)),
    f"GRANT SELECT, INSERT, UPDATE ON collection_schedule TO {ENGINE}",
    f"GRANT SELECT ON collection_schedule TO {PORTAL}",
]


class Migration(migrations.Migration):
    """New tables, and one more column of settlements; nothing is rewritten."""

    dependencies = [
        ("tollbook", "0017_gateways"),
    ]

    operations = [
        migrations.CreateModel(
            name="CardAttempt",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "idempotency_key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("idempotency_key", models.CharField(max_length=120)),
                ("gateway", models.CharField(max_length=20)),
                ("token", models.CharField(max_length=120)),
                ("began_at", models.DateTimeField()),
                ("failed_at", models.DateTimeField(null=True)),
                ("is_hard", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "card_attempt",
            },
        ),
        migrations.CreateModel(
            name="CollectionChoice",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("name", models.CharField(default="invoices", max_length=20)),
                ("collects", models.BooleanField()),
                ("set_by", models.CharField(max_length=254)),
                ("set_at", models.DateTimeField()),
            ],
            options={
                "db_table": "collection_choice",
            },
        ),
        migrations.CreateModel(
            name="CollectionSchedule",
            fields=[
                ("name", models.CharField(default="invoices", max_length=20, primary_key=True, serialize=False)),
                ("is_on", models.BooleanField(default=False)),
                ("days", models.JSONField(default=list)),
                ("since_at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("set_by", models.CharField(max_length=254)),
                ("set_at", models.DateTimeField()),
            ],
            options={
                "db_table": "collection_schedule",
            },
        ),
        migrations.CreateModel(
            name="Disputed",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("gateway", models.CharField(max_length=20)),
                ("reference", models.CharField(max_length=120)),
                ("payment_id", models.UUIDField()),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20)),
                ("fee", models.DecimalField(decimal_places=6, default=0, max_digits=20)),
                ("taken", models.DecimalField(decimal_places=6, default=0, max_digits=20)),
                ("lost", models.DecimalField(decimal_places=6, default=0, max_digits=20)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("won", "Won"), ("lost", "Lost")], default="open", max_length=8
                    ),
                ),
                ("moves", models.PositiveSmallIntegerField(default=0)),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "dispute",
            },
        ),
        migrations.CreateModel(
            name="OpenCredit",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "payment_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("payment_id", models.UUIDField()),
                ("balance", models.DecimalField(decimal_places=6, max_digits=20)),
            ],
            options={
                "db_table": "open_credit",
            },
        ),
        migrations.CreateModel(
            name="PaymentIntent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("invoice_id", models.UUIDField()),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20)),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("decided", "About to be charged"),
                            ("charging", "Being charged"),
                            ("succeeded", "Paid"),
                            ("declined", "Declined"),
                            ("unknown", "Waiting for the gateway's answer"),
                            ("action_required", "Needs your action"),
                            ("withdrawn", "Not charged"),
                        ],
                        default="decided",
                        max_length=16,
                    ),
                ),
                ("automatic", models.BooleanField()),
                ("attempt", models.PositiveSmallIntegerField(default=1)),
                ("gateway", models.CharField(blank=True, max_length=20)),
                ("method_id", models.UUIDField(null=True)),
                ("on_page", models.BooleanField(default=False)),
                ("page_url", models.TextField(blank=True)),
                ("page_reference", models.CharField(blank=True, max_length=200)),
                ("reason", models.CharField(max_length=300)),
                ("requested_by", models.CharField(max_length=254)),
                ("request_key", models.CharField(max_length=200, null=True)),
                ("decided_at", models.DateTimeField()),
                ("charging_at", models.DateTimeField(null=True)),
                ("asked_at", models.DateTimeField(null=True)),
                ("asks", models.PositiveSmallIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, max_length=200)),
                ("code", models.CharField(blank=True, max_length=60)),
                ("is_hard", models.BooleanField(default=False)),
                ("charge_reference", models.CharField(blank=True, max_length=120)),
                ("payment_id", models.UUIDField(null=True)),
            ],
            options={
                "db_table": "payment_intent",
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("payment_id", models.UUIDField()),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20)),
                ("currency", models.CharField(max_length=3)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("credit", "The account's credit"),
                            ("invoice", "The invoice it paid, which is owed again"),
                            ("wallet", "The wallet it filled"),
                            ("goodwill", "Our revenue: invoice and wallet stay as they are"),
                        ],
                        max_length=16,
                    ),
                ),
                ("invoice_id", models.UUIDField(null=True)),
                ("wallet_id", models.UUIDField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("decided", "About to be sent"),
                            ("sending", "Being sent"),
                            ("succeeded", "Given back"),
                            ("declined", "Refused by the gateway"),
                            ("unknown", "Waiting for the gateway's answer"),
                        ],
                        default="decided",
                        max_length=16,
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("requested_by", models.CharField(max_length=254)),
                ("decided_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("asked_at", models.DateTimeField(null=True)),
                ("asks", models.PositiveSmallIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, max_length=200)),
                ("reference", models.CharField(blank=True, max_length=120)),
            ],
            options={
                "db_table": "refund",
            },
        ),
        migrations.RemoveConstraint(
            model_name="settlement",
            name="settled_once",
        ),
        migrations.RemoveConstraint(
            model_name="settlement",
            name="settlement_positive",
        ),
        migrations.AddField(
            model_name="settlement",
            name="cause",
            field=models.CharField(blank=True, default="", max_length=60),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.UniqueConstraint(
                fields=("account_id", "invoice_id", "payment_id", "cause"), name="settled_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount", 0), _negated=True), name="settlement_moves_something"
            ),
        ),
        migrations.AddIndex(
            model_name="cardattempt",
            index=models.Index(fields=["account_id", "gateway", "token", "-began_at"], name="card_attempt_of_card"),
        ),
        migrations.AddIndex(
            model_name="disputed",
            index=models.Index(fields=["account_id", "payment_id"], name="dispute_of_payment"),
        ),
        migrations.AddConstraint(
            model_name="disputed",
            constraint=models.UniqueConstraint(
                fields=("account_id", "gateway", "reference"), name="dispute_recorded_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="disputed",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="dispute_positive"),
        ),
        migrations.AddConstraint(
            model_name="opencredit",
            constraint=models.CheckConstraint(condition=models.Q(("balance__gte", 0)), name="open_credit_not_negative"),
        ),
        migrations.AddIndex(
            model_name="paymentintent",
            index=models.Index(fields=["account_id", "invoice_id", "-decided_at"], name="payment_intent_of_invoice"),
        ),
        migrations.AddIndex(
            model_name="paymentintent",
            index=models.Index(
                condition=models.Q(("state__in", ["decided", "charging", "unknown", "action_required"])),
                fields=["state", "decided_at"],
                name="payment_intent_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentintent",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["decided", "charging", "unknown", "action_required"])),
                fields=("account_id", "invoice_id"),
                name="one_open_payment_per_invoice",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentintent",
            constraint=models.UniqueConstraint(fields=("account_id", "request_key"), name="one_payment_per_request"),
        ),
        migrations.AddConstraint(
            model_name="paymentintent",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="payment_intent_positive"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(fields=["account_id", "payment_id"], name="refund_of_payment"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("state__in", ["decided", "sending", "unknown"])),
                fields=["state", "decided_at"],
                name="refund_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="refund_positive"),
        ),
        *[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS],
    ]
