"""Refills: each attempt at a card, what was known at the decision, when to ask next, what waits for a person."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
ATTEMPTS = "SELECT, INSERT, UPDATE (sent_at, sends, state, code, message, hard, reference, answered_at)"
LIMITS = "SELECT, INSERT, UPDATE, DELETE"
ATTEMPT_STATES = [
    ("sent", "Sent"),
    ("unknown", "No answer yet"),
    ("succeeded", "Succeeded"),
    ("declined", "Declined"),
    ("action_required", "Waits for the card's holder"),
    ("never_received", "Never reached the gateway"),
]
MONEY = {"max_digits": 20, "decimal_places": 6}
# What was attempted before attempts had rows of their own; a refill had one attempt then.
ATTEMPTED = """
INSERT INTO refill_attempt (account_id, refill_id, attempt, method_id, gateway, token, idempotency_key, first_sent_at,
                            sent_at, state, message, reference, answered_at)
SELECT r.account_id, r.id, r.attempt, r.method_id, m.gateway, m.token, 'refill:' || r.id || ':' || r.attempt, r.charging_at,
       r.charging_at,
       CASE r.state WHEN 'charging' THEN 'sent' WHEN 'withdrawn' THEN 'never_received' ELSE r.state END,
       left(r.outcome, 300), r.charge_reference, r.finished_at
FROM refill r JOIN payment_method m ON m.account_id = r.account_id AND m.id = r.method_id
WHERE r.charging_at IS NOT NULL AND r.state <> 'decided'
"""
GRANTED = [
    "GRANT UPDATE (next_ask_at, asks, needs_person_at, question, confirm_url, confirm_by, given_up_at, given_up_by)"
    f" ON refill TO {ENGINE}",
    f"GRANT UPDATE (given_up_at, given_up_by) ON refill TO {PORTAL}",
    "ALTER TABLE refill_attempt ADD CONSTRAINT refill_attempt_of_refill"
    " FOREIGN KEY (account_id, refill_id) REFERENCES refill (account_id, id)",
    "ALTER TABLE refill_limit ADD CONSTRAINT refill_limit_of_account FOREIGN KEY (account_id) REFERENCES account (id)",
]


def _guard(table: str, engine: str) -> list[str]:
    """Least privilege and row-level security, as every table of accounts has them."""
    return [
        f"GRANT {engine} ON {table} TO {ENGINE}",
        f"GRANT SELECT ON {table} TO {PORTAL}",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]


STATEMENTS = [*_guard("refill_attempt", ATTEMPTS), *_guard("refill_limit", LIMITS), *GRANTED]


def _text(length: int) -> models.CharField:
    return models.CharField(max_length=length, blank=True, db_default="")


class Migration(migrations.Migration):
    """Two small tables and columns of a third; nothing is rewritten."""

    dependencies = [("tollbook", "0019_alerts")]
    operations = [
        migrations.CreateModel(
            name="RefillAttempt",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id",
                        "refill_id",
                        "attempt",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("refill_id", models.UUIDField()),
                ("attempt", models.PositiveSmallIntegerField()),
                ("method_id", models.UUIDField()),
                ("gateway", models.CharField(max_length=20)),
                ("token", models.CharField(max_length=120)),
                ("idempotency_key", models.CharField(max_length=200)),
                ("facts", models.JSONField(null=True)),
                ("first_sent_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField()),
                ("sends", models.PositiveSmallIntegerField(db_default=1)),
                ("state", models.CharField(choices=ATTEMPT_STATES, db_default="sent", max_length=16)),
                ("code", _text(80)),
                ("message", _text(300)),
                ("hard", models.BooleanField(db_default=False)),
                ("reference", _text(120)),
                ("answered_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "refill_attempt"},
        ),
        migrations.CreateModel(
            name="RefillLimit",
            fields=[
                ("account_id", models.UUIDField(primary_key=True, serialize=False)),
                ("monthly_cap", models.DecimalField(**MONEY)),
                ("set_by", models.CharField(max_length=254)),
                ("set_at", models.DateTimeField()),
            ],
            options={"db_table": "refill_limit"},
        ),
        migrations.AddField("refill", "why", models.JSONField(null=True)),
        migrations.AddField("refill", "next_ask_at", models.DateTimeField(null=True)),
        migrations.AddField("refill", "asks", models.PositiveSmallIntegerField(db_default=0)),
        migrations.AddField("refill", "needs_person_at", models.DateTimeField(null=True)),
        migrations.AddField("refill", "question", _text(300)),
        migrations.AddField("refill", "confirm_url", _text(2000)),
        migrations.AddField("refill", "confirm_by", models.DateTimeField(null=True)),
        migrations.AddField("refill", "given_up_at", models.DateTimeField(null=True)),
        migrations.AddField("refill", "given_up_by", _text(254)),
        migrations.AddIndex("refill", models.Index(fields=["charging_at"], name="refill_sent_lately")),
        migrations.AddIndex(
            "refill",
            models.Index(
                condition=models.Q(("needs_person_at__isnull", False)),
                fields=["needs_person_at"],
                name="refill_needs_person",
            ),
        ),
        migrations.AddIndex(
            "refillattempt",
            models.Index(fields=["account_id", "gateway", "token", "sent_at"], name="refill_attempts_of_card"),
        ),
        migrations.AddConstraint(
            "refillattempt",
            models.UniqueConstraint(fields=("account_id", "idempotency_key"), name="refill_key_once"),
        ),
        migrations.AddConstraint(
            "refilllimit",
            models.CheckConstraint(condition=models.Q(("monthly_cap__gte", 0)), name="refill_limit_not_negative"),
        ),
        *[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS],
        migrations.RunSQL(ATTEMPTED, migrations.RunSQL.noop),
    ]
