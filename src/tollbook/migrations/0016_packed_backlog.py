"""The backlog of the roll-ups holds its events as numbers, packed: folding read each event again through an index, which
cost more than recording it. Packed values are stored as they are, large ones beside the table; none is worth compressing.
"""

from django.db import migrations, models

NUMBER = r"^\+*[1-9][0-9]{6,}$"
_DIGITS = """regexp_replace(event."to", '^\\++', '')"""
PLACE = " + ".join(f"(substr({_DIGITS}, {place}, 1)::int + 1) * {11 ** (7 - place)}" for place in range(1, 8))
FILL = f"""
UPDATE usage_backlog AS owed
SET type_code = told.type_code, events = told.events, packed = told.packed
FROM (
    SELECT event.account_id, event.transfer_id, min(event.type_code) AS type_code, count(*) AS events,
           string_agg(
               int4send(floor(extract(epoch FROM event.occurred_at) / 900)::int) || int4send(event.campaign_id)
               || int4send(event.agent_id)
               || int4send(CASE WHEN event."to" ~ '{NUMBER}' THEN {PLACE} ELSE 0 END)
               || int8send((event.quantity * 1000000)::bigint) || int8send((event.billed_quantity * 1000000)::bigint)
               || int8send((event.cost * 1000000)::bigint), ''::bytea) AS packed
    FROM usage_backlog AS waiting
    JOIN usage_event AS event ON event.account_id = waiting.account_id AND event.transfer_id = waiting.transfer_id
    GROUP BY event.account_id, event.transfer_id
) AS told
WHERE told.account_id = owed.account_id AND told.transfer_id = owed.transfer_id
"""
STATEMENTS = [
    "ALTER TABLE usage_backlog ADD COLUMN type_code varchar(32), ADD COLUMN events integer, ADD COLUMN packed bytea",
    "ALTER TABLE usage_backlog ALTER COLUMN packed SET STORAGE EXTERNAL",
    FILL,
    "DELETE FROM usage_backlog WHERE packed IS NULL",  # of no event that is in the table: nothing is owed
    "ALTER TABLE usage_backlog ALTER COLUMN type_code SET NOT NULL, ALTER COLUMN events SET NOT NULL,"
    " ALTER COLUMN packed SET NOT NULL",
]


class Migration(migrations.Migration):
    """Reads the events that wait to be folded, once; as few as the worker left."""

    dependencies = [("tollbook", "0015_open_holds_by_account")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS],
            state_operations=[
                migrations.AddField("usagebacklog", "type_code", models.CharField(max_length=32)),
                migrations.AddField("usagebacklog", "events", models.IntegerField()),
                migrations.AddField("usagebacklog", "packed", models.BinaryField()),
            ],
        ),
    ]
