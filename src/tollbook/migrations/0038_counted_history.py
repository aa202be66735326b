"""Invoice History counted in the transaction that changes it, and found in narrower indexes."""

from django.db import migrations, models
from django.db.models.expressions import RawSQL

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
SIZE = """CASE WHEN total < 1 THEN trunc(total * 100)::integer
ELSE 90 * (length(trunc(total * 100)::text) - 2) + left(trunc(total * 100)::text, 2)::integer END"""
FILL = [
    """
    INSERT INTO history_day (account_id, issued_on, block, prefix, is_open, due_on, grace_until_on, count, balance)
    SELECT account_id, issued_on, sequence / 1000, rtrim(number, '0123456789'), balance > 0,
           CASE WHEN balance > 0 THEN due_on ELSE issued_on END,
           CASE WHEN balance > 0 THEN grace_until_on ELSE issued_on END, count(*), sum(balance)
    FROM open_balance GROUP BY 1, 2, 3, 4, 5, 6, 7
    """,
    """
    INSERT INTO history_size (account_id, size, month_on, is_open, count)
    SELECT account_id, size, date_trunc('month', issued_on::timestamp)::date, balance > 0, count(*)
    FROM open_balance GROUP BY 1, 2, 3, 4
    """,
]
STATEMENTS = [
    f"GRANT SELECT, INSERT, UPDATE (count, balance) ON history_day TO {ENGINE}",
    f"GRANT SELECT, INSERT, UPDATE (count) ON history_size TO {ENGINE}",
    *(
        statement
        for table in ("history_day", "history_size")
        for statement in (
            f"GRANT SELECT ON {table} TO {PORTAL}",
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
            f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
        )
    ),
    *FILL,
]
MONEY = {"max_digits": 20, "decimal_places": 6}
ASKED = ["invoice_id", "balance", "issued_on", "due_on", "grace_until_on"]
ORDERS = {
    "open_balance_by_amount": ["size", "total", "sequence"],
    "open_balance_by_date": ["issued_on", "sequence"],
}
OPEN = models.Index(
    fields=["account_id", "balance", "sequence"],
    include=["invoice_id", "issued_on", "due_on", "grace_until_on"],
    name="open_balance_by_balance",
    condition=models.Q(balance__gt=0),
)


def _index(name: str, fields: list[str]) -> migrations.AddIndex:
    included = [one for one in ASKED if one not in fields]
    return migrations.AddIndex("openbalance", models.Index(fields=["account_id", *fields], include=included, name=name))


def _counts(name: str, table: str, keys: dict[str, models.Field], **counts: models.Field) -> migrations.CreateModel:
    key = models.CompositePrimaryKey(*keys, blank=True, editable=False, primary_key=True, serialize=False)
    return migrations.CreateModel(name, [("pk", key), *keys.items(), *counts.items()], {"db_table": table})


class Migration(migrations.Migration):
    """Rewrites open_balance, which is a narrow row for each invoice, and counts it once; a million take some seconds."""

    dependencies = [("tollbook", "0037_given_back_by_note")]
    operations = [
        *[migrations.RemoveIndex("openbalance", name) for name in [*ORDERS, "open_balance_by_balance"]],
        migrations.AddField(
            "openbalance",
            "size",
            models.GeneratedField(
                expression=RawSQL(SIZE, ()), output_field=models.IntegerField(), db_persist=True
            ),
        ),
        *[_index(name, fields) for name, fields in ORDERS.items()],
        migrations.AddIndex("openbalance", OPEN),
        _counts(
            "HistoryDay",
            "history_day",
            {
                "account_id": models.UUIDField(),
                "issued_on": models.DateField(),
                "block": models.BigIntegerField(),
                "prefix": models.CharField(max_length=40),
                "is_open": models.BooleanField(),
                "due_on": models.DateField(),
                "grace_until_on": models.DateField(),
            },
            count=models.IntegerField(),
            balance=models.DecimalField(**MONEY),
        ),
        _counts(
            "HistorySize",
            "history_size",
            {
                "account_id": models.UUIDField(),
                "size": models.IntegerField(),
                "month_on": models.DateField(),
                "is_open": models.BooleanField(),
            },
            count=models.IntegerField(),
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS),
    ]
