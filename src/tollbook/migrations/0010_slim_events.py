"""Usage events at machine speed: a slim row, repeated attributes kept once, and what roll-ups by attribute are owed.

The events are copied into a table with another order of columns (fixed widths first, nothing nullable), because a column
that is dropped or added in place costs every later row its space. What an event no longer repeats is read from where it
is kept: the price from its rate, which never changes its price; the instant of receipt from its transfer's id, a UUIDv7;
the hold from the hold. An event that cost nothing now carries the id of its batch too.
"""

from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
OPERATOR = "'00000000-0000-0000-0000-000000000000'::uuid"

# The instant in a UUIDv7, to the millisecond; PostgreSQL has a function for it only from 17 on.
INSTANT = (
    "to_timestamp((('x' || lpad(left(replace({id}::text, '-', ''), 12), 16, '0'))::bit(64)::bigint) / 1000.0)"
)
# An id for the batch of events that cost nothing, with the instant at which they were received in it.
BATCH_OF_NOTHING = (
    "(lpad(to_hex((extract(epoch FROM received_at) * 1000)::bigint), 12, '0') || '7'"
    " || substr(md5(account_id::text || type_code || received_at::text), 1, 3) || '8'"
    " || substr(md5(received_at::text || type_code), 1, 15))::uuid"
)

CREATE = """
CREATE TABLE usage_event_slim (
    occurred_at timestamptz NOT NULL,
    account_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    rate_id uuid NOT NULL,
    campaign_id integer NOT NULL,
    agent_id integer NOT NULL,
    event_id varchar(200) COLLATE "C" NOT NULL,
    type_code varchar(32) COLLATE "C" NOT NULL,
    quantity numeric(20, 6) NOT NULL,
    billed_quantity numeric(20, 6) NOT NULL,
    cost numeric(20, 6) NOT NULL,
    "to" varchar(64) NOT NULL,
    sender varchar(64) NOT NULL,
    attributes jsonb NOT NULL
)
"""
COPY = f"""
INSERT INTO usage_event_slim (occurred_at, account_id, transfer_id, rate_id, campaign_id, agent_id, event_id, type_code,
                              quantity, billed_quantity, cost, "to", sender, attributes)
SELECT occurred_at, account_id, coalesce(transfer_id, {BATCH_OF_NOTHING}), rate_id, 0, 0, event_id, type_code, quantity,
       billed_quantity, cost, "to", sender, attributes
FROM usage_event
ORDER BY account_id, event_id
"""
INDEXES = [
    "ALTER TABLE usage_event ADD CONSTRAINT usage_event_pkey PRIMARY KEY (account_id, event_id)",
    "CREATE INDEX usage_of_transfer ON usage_event (account_id, transfer_id)",
    "CREATE INDEX usage_by_minute ON usage_event (account_id, type_code,"
    " date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00'))",
    # Rows are only added, so vacuum has nothing to remove: it runs to keep the visibility map and the counts true.
    "ALTER TABLE usage_event SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,"
    " autovacuum_freeze_min_age = 0)",
]
TOLD = f"""
CREATE VIEW usage_told WITH (security_invoker = true) AS
SELECT u.account_id, u.event_id, u.type_code, u.occurred_at, {INSTANT.format(id="u.transfer_id")} AS received_at,
       u.quantity, u.billed_quantity, r.account_id AS rate_account_id, u.rate_id, r.rate_cents, r.connect_fee, u.cost,
       u."to", u.sender,
       u.attributes || jsonb_strip_nulls(jsonb_build_object('campaign', c.value, 'agent', a.value)) AS attributes,
       u.transfer_id,
       (SELECT h.id FROM hold h WHERE h.account_id = u.account_id AND h.event_id = u.event_id AND h.state = 'captured'
        ORDER BY h.closed_at LIMIT 1) AS hold_id
FROM usage_event u
LEFT JOIN rate r ON r.id = u.rate_id AND r.account_id IN (u.account_id, {OPERATOR})
LEFT JOIN attribute_value c ON c.account_id = u.account_id AND c.id = u.campaign_id
LEFT JOIN attribute_value a ON a.account_id = u.account_id AND a.id = u.agent_id
"""


def _guard(table: str, engine: str, portal: str) -> list[str]:
    """Least privilege and row-level security, as every table of accounts has them."""
    return [
        f"GRANT {engine} ON {table} TO {ENGINE}",
        *([f"GRANT {portal} ON {table} TO {PORTAL}"] if portal else []),
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]


SLIM = [
    CREATE,
    COPY,
    "DROP TABLE usage_event",
    "ALTER TABLE usage_event_slim RENAME TO usage_event",
    *INDEXES,
    *_guard("usage_event", "SELECT, INSERT", "SELECT"),
]
# Proven by `tollbook audit` instead of at every row: a check of four keys for each debit cost more than the debit.
LOOSENED = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS owner, conname FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ('transfer'::regclass, 'entry'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.owner, found.conname);
    END LOOP;
END $$
"""


def _key(name: str) -> tuple[str, models.CompositePrimaryKey]:
    key = models.CompositePrimaryKey("account_id", name, blank=True, editable=False, primary_key=True, serialize=False)
    return "pk", key


class Migration(migrations.Migration):
    """Copies every usage event once: about a minute for each ten million, and their space again while it runs."""

    dependencies = [("tollbook", "0009_history_indexes")]
    operations = [
        migrations.CreateModel(
            name="AttributeValue",
            fields=[
                _key("id"),
                ("account_id", models.UUIDField()),
                ("id", models.IntegerField()),
                ("name", models.CharField(max_length=16)),
                ("value", models.CharField(max_length=100)),
            ],
            options={"db_table": "attribute_value"},
        ),
        migrations.AddConstraint(
            "attributevalue",
            models.UniqueConstraint(fields=["account_id", "name", "value"], name="one_value_of_a_name"),
        ),
        migrations.CreateModel(
            name="UsageBacklog",
            fields=[
                _key("transfer_id"),
                ("account_id", models.UUIDField()),
                ("transfer_id", models.UUIDField()),
            ],
            options={"db_table": "usage_backlog"},
        ),
        migrations.RunSQL(
            "ALTER TABLE attribute_value ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY", migrations.RunSQL.noop
        ),
        *[
            migrations.RunSQL(statement, migrations.RunSQL.noop)
            for statement in [
                *_guard("attribute_value", "SELECT, INSERT", "SELECT"),
                *_guard("usage_backlog", "SELECT, INSERT, DELETE", "SELECT"),
            ]
        ],
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in SLIM],
            state_operations=[
                migrations.RemoveIndex("usageevent", "usage_by_time"),
                *[
                    migrations.RemoveField("usageevent", name)
                    for name in ("received_at", "rate_account_id", "rate_cents", "connect_fee", "hold_id", "body_digest")
                ],
                migrations.AlterField("usageevent", "transfer_id", models.UUIDField()),
                migrations.AddField("usageevent", "campaign_id", models.IntegerField(default=0)),
                migrations.AddField("usageevent", "agent_id", models.IntegerField(default=0)),
                migrations.AlterField("usageevent", "event_id", models.CharField(max_length=200, db_collation="C")),
                migrations.AlterField("usageevent", "type_code", models.CharField(max_length=32, db_collation="C")),
            ],
        ),
        migrations.RunSQL(TOLD, "DROP VIEW usage_told"),
        migrations.RunSQL(f"GRANT SELECT ON usage_told TO {ENGINE}, {PORTAL}", migrations.RunSQL.noop),
        migrations.RunSQL(
            "INSERT INTO usage_backlog (account_id, transfer_id) SELECT DISTINCT account_id, transfer_id FROM usage_event",
            migrations.RunSQL.noop,
        ),
        migrations.CreateModel(
            name="UsageTold",
            fields=[
                _key("event_id"),
                ("account_id", models.UUIDField()),
                ("event_id", models.CharField(max_length=200)),
                ("type_code", models.CharField(max_length=32)),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
                ("quantity", models.DecimalField(decimal_places=6, max_digits=20)),
                ("billed_quantity", models.DecimalField(decimal_places=6, max_digits=20)),
                ("rate_account_id", models.UUIDField()),
                ("rate_id", models.UUIDField()),
                ("rate_cents", models.DecimalField(decimal_places=6, max_digits=14)),
                ("connect_fee", models.DecimalField(decimal_places=6, max_digits=20)),
                ("cost", models.DecimalField(decimal_places=6, max_digits=20)),
                ("to", models.CharField(max_length=64)),
                ("sender", models.CharField(max_length=64)),
                ("attributes", models.JSONField()),
                ("transfer_id", models.UUIDField()),
                ("hold_id", models.UUIDField(null=True)),
            ],
            options={"db_table": "usage_told", "managed": False},
        ),
        migrations.RunSQL(LOOSENED, migrations.RunSQL.noop),
    ]
