"""Roll-ups by campaign, agent and country, which the worker catches up; and events that take others back."""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
OPERATOR = "'00000000-0000-0000-0000-000000000000'::uuid"
SUM = {"max_digits": 24, "decimal_places": 6}


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


def _key(*names: str) -> tuple[str, models.CompositePrimaryKey]:
    key = models.CompositePrimaryKey("account_id", *names, blank=True, editable=False, primary_key=True, serialize=False)
    return "pk", key


# As it was, and at its end which event it takes back: only what has a negative quantity is looked up.
TOLD = f"""
CREATE OR REPLACE VIEW usage_told WITH (security_invoker = true) AS
SELECT u.account_id, u.event_id, u.type_code, u.occurred_at,
       to_timestamp((('x' || lpad(left(replace(u.transfer_id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint) / 1000.0)
           AS received_at,
       u.quantity, u.billed_quantity, r.account_id AS rate_account_id, u.rate_id, r.rate_cents, r.connect_fee, u.cost,
       u."to", u.sender,
       u.attributes || jsonb_strip_nulls(jsonb_build_object('campaign', c.value, 'agent', a.value)) AS attributes,
       u.transfer_id,
       (SELECT h.id FROM hold h WHERE h.account_id = u.account_id AND h.event_id = u.event_id AND h.state = 'captured'
        ORDER BY h.closed_at LIMIT 1) AS hold_id,
       CASE WHEN u.quantity < 0 THEN
           (SELECT v.reverses_id FROM usage_reversal v WHERE v.account_id = u.account_id AND v.event_id = u.event_id)
       END AS reverses_id
FROM usage_event u
LEFT JOIN rate r ON r.id = u.rate_id AND r.account_id IN (u.account_id, {OPERATOR})
LEFT JOIN attribute_value c ON c.account_id = u.account_id AND c.id = u.campaign_id
LEFT JOIN attribute_value a ON a.account_id = u.account_id AND a.id = u.agent_id
"""
STATEMENTS = [
    *_guard("usage_by_attribute", "SELECT, INSERT, UPDATE"),
    *_guard("usage_reversal", "SELECT, INSERT"),
    # Not to change a row, but to lock it while skipping those that another worker has.
    f"GRANT UPDATE ON usage_backlog TO {ENGINE}",
    # Rows of the running hour are updated every few seconds: with room in their pages that leaves no index to clean up.
    "ALTER TABLE usage_by_attribute SET (fillfactor = 80)",
    TOLD,
]


class Migration(migrations.Migration):
    """Two new tables and one more column of a view; the worker fills the roll-ups from the backlog."""

    dependencies = [("tollbook", "0012_minimum_charge")]
    operations = [
        migrations.CreateModel(
            name="UsageByAttribute",
            fields=[
                _key("attribute", "begins_at", "type_code", "value"),
                ("account_id", models.UUIDField()),
                ("attribute", models.CharField(max_length=16, db_collation="C")),
                ("begins_at", models.DateTimeField()),
                ("type_code", models.CharField(max_length=32, db_collation="C")),
                ("value", models.CharField(max_length=100, blank=True, db_collation="C")),
                ("events", models.BigIntegerField()),
                ("quantity", models.DecimalField(**SUM)),
                ("billed_quantity", models.DecimalField(**SUM)),
                ("cost", models.DecimalField(**SUM)),
            ],
            options={"db_table": "usage_by_attribute"},
        ),
        migrations.CreateModel(
            name="UsageReversal",
            fields=[
                _key("reverses_id", "place"),
                ("account_id", models.UUIDField()),
                ("reverses_id", models.CharField(max_length=200, db_collation="C")),
                ("place", models.SmallIntegerField()),
                ("event_id", models.CharField(max_length=200, db_collation="C")),
                ("asked_quantity", models.DecimalField(max_digits=20, decimal_places=6, null=True)),
                ("reason", models.CharField(max_length=300, blank=True)),
                ("actor", models.CharField(max_length=254, blank=True)),
            ],
            options={"db_table": "usage_reversal"},
        ),
        migrations.AddConstraint(
            "usagereversal",
            models.UniqueConstraint(fields=["account_id", "event_id"], name="one_reversal_per_event"),
        ),
        *[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS],
    ]
