"""Tax and service days of lines, causes that bill once, credit notes, write-offs, drafts, runs, sellers, buyer's details."""

import django.db.models.expressions
from django.db import migrations, models

ENGINE, PORTAL = "tollbook_engine", "tollbook_portal"
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"

DRAFT = "state, content, total, drafted_by, drafted_at, decided_by, decided_at, invoice_id"
# table: (engine's privileges, portal's, foreign keys that carry the account)
TABLES = {
    "credit_note": ("SELECT, INSERT", "SELECT", ["invoice_id:invoice"]),
    "credit_note_line": ("SELECT, INSERT", "SELECT", ["credit_note_id:credit_note"]),
    "reduction": ("SELECT, INSERT", "SELECT", ["invoice_id:invoice", "credit_note_id:credit_note"]),
    "draft_invoice": (f"SELECT, INSERT, UPDATE ({DRAFT})", "", ["invoice_id:invoice"]),
}
SHARED = {
    "seller_profile": ("SELECT, INSERT, UPDATE", "SELECT"),
    "tax_rule": ("SELECT, INSERT, UPDATE, DELETE", "SELECT"),
    "billing_run": ("SELECT, INSERT, UPDATE (finished_at)", ""),
    "billing_part": ("SELECT, INSERT, UPDATE (done_at, accounts, invoices, told)", ""),
}
OWN_DETAILS = "legal_name, address, country, region, tax_id, po_number, billing_email, recipients"
# Lines of before name what they billed, so that it is not billed again.
CAUSES = """
UPDATE invoice_line SET cause = CASE revenue_code WHEN 'revenue:setup' THEN 'setup:' || subscription_id
                                ELSE 'fee:' || subscription_id || ':' || period_start_on END
FROM invoice
WHERE invoice.account_id = invoice_line.account_id AND invoice.id = invoice_line.invoice_id
  AND subscription_id IS NOT NULL AND invoice.kind = 'recurring' AND period_start_on IS NOT NULL
"""


def _grant(privileges: str, table: str, role: str) -> list[str]:
    return [f"GRANT {privileges} ON {table} TO {role}"] if privileges else []


def _guard(table: str, engine: str, portal: str, keys: list[str]) -> list[str]:
    """Least privilege, foreign keys that carry the account, row-level security."""
    split = [key.split(":") for key in keys]
    return [
        *_grant(engine, table, ENGINE),
        *_grant(portal, table, PORTAL),
        f"ALTER TABLE {table} ADD FOREIGN KEY (account_id) REFERENCES account (id)",
        *(
            f"ALTER TABLE {table} ADD FOREIGN KEY (account_id, {column}) REFERENCES {other} (account_id, id)"
            for column, other in split
        ),
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine_sees_all ON {table} TO {ENGINE}, CURRENT_USER USING (true)",
        f"CREATE POLICY portal_sees_its_account ON {table} TO {PORTAL} USING (account_id = {CURRENT_ACCOUNT})",
    ]


STATEMENTS = [
    *(statement for table, facts in TABLES.items() for statement in _guard(table, *facts)),
    *(one for table, (engine, _) in SHARED.items() for one in _grant(engine, table, ENGINE)),
    *(one for table, (_, portal) in SHARED.items() for one in _grant(portal, table, PORTAL)),
    f"GRANT UPDATE ({OWN_DETAILS}) ON account TO {PORTAL}",
    CAUSES,
]


class Migration(migrations.Migration):
    """New tables, and columns with constant defaults; only lines of subscriptions are rewritten, for their cause."""

    dependencies = [
        ("tollbook", "0023_cancelled_charges"),
    ]

    operations = [
        migrations.CreateModel(
            name="BillingPart",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "run_id", "part", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("run_id", models.UUIDField()),
                ("part", models.IntegerField()),
                ("first_id", models.UUIDField()),
                ("last_id", models.UUIDField()),
                ("done_at", models.DateTimeField(null=True)),
                ("accounts", models.IntegerField(default=0)),
                ("invoices", models.IntegerField(default=0)),
                ("told", models.JSONField(default=dict)),
            ],
            options={
                "db_table": "billing_part",
            },
        ),
        migrations.CreateModel(
            name="BillingRun",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("until_on", models.DateField(null=True)),
                ("is_review", models.BooleanField(default=False)),
                ("started_by", models.CharField(max_length=254)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "billing_run",
            },
        ),
        migrations.CreateModel(
            name="CreditNote",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                ("number", models.CharField(max_length=40)),
                ("seller_code", models.CharField(max_length=40)),
                ("series", models.CharField(max_length=20)),
                ("sequence", models.BigIntegerField()),
                ("invoice_id", models.UUIDField()),
                ("invoice_number", models.CharField(max_length=40)),
                ("invoice_issued_on", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("subtotal", models.DecimalField(decimal_places=6, max_digits=20)),
                ("tax", models.DecimalField(decimal_places=6, default=0, max_digits=20)),
                ("total", models.DecimalField(decimal_places=6, max_digits=20)),
                ("issued_on", models.DateField()),
                ("issued_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=300)),
                ("seller", models.JSONField()),
                ("buyer", models.JSONField()),
                ("po_number", models.CharField(blank=True, max_length=60)),
                ("tax_note", models.CharField(blank=True, default="", max_length=300)),
                ("recipients", models.JSONField(default=list)),
                ("issued_by", models.CharField(blank=True, max_length=254)),
            ],
            options={
                "db_table": "credit_note",
            },
        ),
        migrations.CreateModel(
            name="CreditNoteLine",
            fields=[
                ("description", models.CharField(max_length=300)),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("quantity", models.DecimalField(decimal_places=6, max_digits=20)),
                ("unit_price", models.DecimalField(decimal_places=6, max_digits=20)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20)),
                ("revenue_code", models.CharField(max_length=80)),
                ("tax_code", models.CharField(blank=True, db_default="", default="", max_length=40)),
                ("tax_category", models.CharField(db_default="O", default="O", max_length=2)),
                ("tax_rate", models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=9)),
                ("tax_label", models.CharField(blank=True, db_default="", default="", max_length=60)),
                ("tax", models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=20)),
                ("service_from", models.DateField(null=True)),
                ("service_until", models.DateField(null=True)),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id",
                        "credit_note_id",
                        "position",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("credit_note_id", models.UUIDField()),
                ("position", models.SmallIntegerField()),
                ("invoice_id", models.UUIDField()),
                ("invoice_position", models.SmallIntegerField()),
            ],
            options={
                "db_table": "credit_note_line",
            },
        ),
        migrations.CreateModel(
            name="DraftInvoice",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("account_id", models.UUIDField()),
                ("id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("recurring", "Subscription"), ("refill", "Refill"), ("one_off", "One-off")],
                        max_length=16,
                    ),
                ),
                ("cause", models.CharField(max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "To be reviewed"), ("issued", "Issued"), ("discarded", "Discarded")],
                        default="open",
                        max_length=12,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("total", models.DecimalField(decimal_places=6, max_digits=20)),
                ("content", models.JSONField()),
                ("drafted_by", models.CharField(max_length=254)),
                ("drafted_at", models.DateTimeField()),
                ("decided_by", models.CharField(blank=True, max_length=254)),
                ("decided_at", models.DateTimeField(null=True)),
                ("invoice_id", models.UUIDField(null=True)),
            ],
            options={
                "db_table": "draft_invoice",
            },
        ),
        migrations.CreateModel(
            name="Reduction",
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
                (
                    "kind",
                    models.CharField(
                        choices=[("credit_note", "Credit note"), ("write_off", "Write-off")], max_length=16
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=6, max_digits=20)),
                ("credit_note_id", models.UUIDField(null=True)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("reduced_by", models.CharField(blank=True, max_length=254)),
                ("reduced_at", models.DateTimeField()),
            ],
            options={
                "db_table": "reduction",
            },
        ),
        migrations.CreateModel(
            name="SellerProfile",
            fields=[
                ("code", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("legal_name", models.CharField(blank=True, max_length=200)),
                ("address", models.TextField(blank=True)),
                ("country", models.CharField(default="US", max_length=2)),
                ("tax_id", models.CharField(blank=True, max_length=40)),
                ("email", models.CharField(blank=True, max_length=254)),
                ("phone", models.CharField(blank=True, max_length=40)),
                ("payment_instructions", models.TextField(blank=True)),
                ("notes", models.CharField(blank=True, max_length=500)),
                ("accent", models.CharField(blank=True, max_length=7)),
                ("logo_svg", models.TextField(blank=True)),
                ("series", models.CharField(default="INV", max_length=12)),
                ("credit_series", models.CharField(default="CN", max_length=12)),
                ("is_yearly", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "seller_profile",
            },
        ),
        migrations.CreateModel(
            name="TaxRule",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("tax_code", models.CharField(blank=True, max_length=40)),
                ("country", models.CharField(blank=True, max_length=2)),
                ("region", models.CharField(blank=True, max_length=40)),
                ("valid_from", models.DateField()),
                ("tax_rate", models.DecimalField(decimal_places=6, max_digits=9)),
                ("category", models.CharField(default="S", max_length=2)),
                ("label", models.CharField(max_length=40)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("is_inclusive", models.BooleanField(default=False)),
                ("is_reverse_charge", models.BooleanField(default=False)),
                ("created_by", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "tax_rule",
            },
        ),
        migrations.RemoveConstraint(
            model_name="invoiceline",
            name="setup_fee_billed_once",
        ),
        migrations.AddField(
            model_name="account",
            name="recipients",
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AddField(
            model_name="account",
            name="region",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="account",
            name="seller_code",
            field=models.CharField(db_default="operator", default="operator", max_length=40),
        ),
        migrations.AddField(
            model_name="account",
            name="tax_exemption",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="invoice",
            name="notes",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="invoice",
            name="recipients",
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AddField(
            model_name="invoice",
            name="tax_note",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="cause",
            field=models.CharField(blank=True, db_default="", default="", max_length=160),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="service_from",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="service_until",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="tax",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=20),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="tax_category",
            field=models.CharField(db_default="O", default="O", max_length=2),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="tax_code",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="tax_label",
            field=models.CharField(blank=True, db_default="", default="", max_length=60),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="tax_rate",
            field=models.DecimalField(db_default=0, decimal_places=6, default=0, max_digits=9),
        ),
        migrations.AlterField(
            model_name="invoice",
            name="kind",
            field=models.CharField(
                choices=[("recurring", "Subscription"), ("refill", "Refill"), ("one_off", "One-off")], max_length=16
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cause", ""), _negated=True),
                fields=("account_id", "cause"),
                name="invoice_line_cause_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("service_from__isnull", True), ("service_until__isnull", True)),
                    ("service_until__gte", models.F("service_from")),
                    _connector="OR",
                ),
                name="invoice_line_service_days_in_order",
            ),
        ),
        migrations.AddIndex(
            model_name="billingrun",
            index=models.Index(fields=["-started_at"], name="billing_run_newest_first"),
        ),
        migrations.AddIndex(
            model_name="creditnote",
            index=models.Index(fields=["account_id", "invoice_id"], name="credit_note_of_invoice"),
        ),
        migrations.AddIndex(
            model_name="creditnote",
            index=models.Index(fields=["account_id", "-issued_on", "-sequence"], name="credit_note_newest_first"),
        ),
        migrations.AddIndex(
            model_name="creditnote",
            index=models.Index(fields=["issued_at"], name="credit_note_issued"),
        ),
        migrations.AddConstraint(
            model_name="creditnote",
            constraint=models.UniqueConstraint(fields=("account_id", "number"), name="credit_note_number_once"),
        ),
        migrations.AddConstraint(
            model_name="creditnote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "total",
                        django.db.models.expressions.CombinedExpression(models.F("subtotal"), "+", models.F("tax")),
                    )
                ),
                name="credit_note_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditnote",
            constraint=models.CheckConstraint(
                condition=models.Q(("total__gt", 0)), name="credit_note_credits_something"
            ),
        ),
        migrations.AddIndex(
            model_name="creditnoteline",
            index=models.Index(fields=["account_id", "invoice_id"], name="credit_note_line_of_invoice"),
        ),
        migrations.AddIndex(
            model_name="draftinvoice",
            index=models.Index(
                condition=models.Q(("state", "open")), fields=["account_id", "drafted_at"], name="draft_invoice_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="draftinvoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("account_id", "kind", "cause"),
                name="one_open_draft_of_a_cause",
            ),
        ),
        migrations.AddIndex(
            model_name="reduction",
            index=models.Index(fields=["account_id", "invoice_id"], name="reduction_of_invoice"),
        ),
        migrations.AddConstraint(
            model_name="reduction",
            constraint=models.UniqueConstraint(fields=("account_id", "credit_note_id"), name="credited_once"),
        ),
        migrations.AddConstraint(
            model_name="reduction",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount", 0), _negated=True), name="reduction_moves_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrule",
            constraint=models.UniqueConstraint(
                fields=("tax_code", "country", "region", "valid_from"), name="tax_rule_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="taxrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("tax_rate__gte", 0), ("tax_rate__lte", 100)), name="tax_rule_rate_in_percent"
            ),
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in STATEMENTS),
    ]
