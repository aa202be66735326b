"""Events are written by COPY, straight into the keyed table, which costs about half of an INSERT.

PostgreSQL refuses COPY into a table with row-level security. So the rows become the one partition of `usage_event`: whoever
reads goes through `usage_event` and its policies as before; the engine may add to the partition, and nobody but the owner
may read it. Its key, which deduplicates for ever, is one for all accounts.
"""

from django.db import migrations

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
OPERATOR = "'00000000-0000-0000-0000-000000000000'::uuid"
# As in 0013; a view belongs to the table that it was made of, whatever that is called later.
TOLD = f"""
CREATE VIEW usage_told WITH (security_invoker = true) AS
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
    "DROP VIEW usage_told",
    "ALTER TABLE usage_event RENAME TO usage_event_rows",
    "ALTER TABLE usage_event_rows RENAME CONSTRAINT usage_event_pkey TO usage_event_rows_pkey",
    "ALTER INDEX usage_of_transfer RENAME TO usage_event_rows_of_transfer",
    "ALTER INDEX usage_by_minute RENAME TO usage_event_rows_by_minute",
    f"REVOKE ALL ON usage_event_rows FROM {ENGINE}, {PORTAL}",
    "DROP POLICY engine_sees_all ON usage_event_rows",
    "DROP POLICY portal_sees_its_account ON usage_event_rows",
    "ALTER TABLE usage_event_rows NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE usage_event_rows DISABLE ROW LEVEL SECURITY",
    "CREATE TABLE usage_event (LIKE usage_event_rows) PARTITION BY RANGE (account_id)",
    "ALTER TABLE usage_event ADD CONSTRAINT usage_event_pkey PRIMARY KEY (account_id, event_id)",
    "CREATE INDEX usage_of_transfer ON usage_event (account_id, transfer_id)",
    "CREATE INDEX usage_by_minute ON usage_event (account_id, type_code,"
    " date_bin('1 minute', occurred_at, '2000-01-01 00:00:00+00'))",
    # Takes over the partition's indexes and reads no row: the key's column is NOT NULL, which is all there is to prove.
    "ALTER TABLE usage_event ATTACH PARTITION usage_event_rows FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
    f"GRANT INSERT ON usage_event_rows TO {ENGINE}",
    f"GRANT SELECT, INSERT ON usage_event TO {ENGINE}",
    f"GRANT SELECT ON usage_event TO {PORTAL}",
    "ALTER TABLE usage_event ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE usage_event FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY engine_sees_all ON usage_event TO {ENGINE}, CURRENT_USER USING (true)",
    f"CREATE POLICY portal_sees_its_account ON usage_event TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    TOLD,
    f"GRANT SELECT ON usage_told TO {ENGINE}, {PORTAL}",
    "ANALYZE usage_event",  # a partitioned table has statistics of its own, which autovacuum does not make
]


class Migration(migrations.Migration):
    """No row is read or copied: at once, however many events there are."""

    dependencies = [("tollbook", "0020_refill_machine")]
    operations = [migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS]
