"""Foreign keys that carry the account, least privilege, row-level security, and the seven built-in credit types.

Two roles without login: `tollbook_engine` (API, worker, desk, command line) and `tollbook_portal` (pages of account
users). Whoever logs in assumes one of them. Append-only tables are those without UPDATE and DELETE here; only the
owner of the tables, who migrates, could do more.
"""

from django.db import migrations

# table: (engine's privileges, portal's privileges). S, I, U, D; a parenthesis restricts to columns.
PRIVILEGES = {
    "account": ("S I U", "S"),
    '"user"': (
        "S I U",
        "S(id,account_id,email,name,level,is_active,created_at,last_login) I U(name,level,is_active)",
    ),
    "access_grant": ("S I U D", "S I U D"),
    "access_request": ("S I U", "S I U"),
    "api_key": ("S I U(last_used_at,revoked_at)", ""),
    "audit_entry": ("S I", "S I"),
    "ledger_account": ("S I", "S"),
    "transfer": ("S I", "S"),
    "entry": ("S I", "S"),
    "credit_type": ("S I U", "S"),
    "rate": ("S I U(valid_until)", "S"),
    "rate_version": ("S I U(version)", "S"),
    "wallet": (
        "S I U(paid,granted,held,funded_balance,funded_at,spent_since_funding)",
        "S",
    ),
    "hold": ("S I U(state,expires_at,closed_at,reason)", "S"),
    "hold_item": ("S I U(quantity,amount)", "S"),
    "hold_move": ("S I", "S"),
    "usage_event": ("S I", "S"),
    "usage_sum": ("S I U", "S"),
    "component": ("S I U", "S"),
    "subscription": ("S I U(ends_on)", "S"),
    "number_series": ("S I U(last_number)", ""),
    "invoice": ("S I", "S"),
    "invoice_line": ("S I", "S"),
    "open_balance": ("S I U(balance)", "S"),
    "settlement": ("S I", "S"),
    "invoice_file": ("S I", "S I"),
    "payment_method": ("S I U(is_default,removed_at)", "S"),
    "payment": ("S I", "S"),
    "simulated_charge": ("S I", ""),
    "refill_rule": ("S I U", "S I U"),
    "refill": (
        "S I U(state,attempt,method_id,charging_at,finished_at,outcome,charge_reference,invoice_id)",
        "S I",
    ),
    "refill_stop": ("S I U D", "S"),
    "operator_switch": ("S I U", "S"),
    "worker_beat": ("S I U", ""),
    "django_session": ("S I U D", ""),
    "django_migrations": ("S", ""),
    "django_content_type": ("S", ""),
    "account_emailaddress": ("S I U D", ""),
    "account_emailconfirmation": ("S I U D", ""),
}
WORDS = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}

# Shared by all accounts: no row-level security. Everything else that the portal may see is confined to one account.
SHARED = {"credit_type", "component", "operator_switch", "worker_beat", "number_series"}
CURRENT_ACCOUNT = "nullif(current_setting('tollbook.account_id', true), '')::uuid"
OPERATOR = "'00000000-0000-0000-0000-000000000000'::uuid"
ROWS = {
    "account": f"id = {CURRENT_ACCOUNT}",
    "rate": f"account_id IN ({CURRENT_ACCOUNT}, {OPERATOR})",
    "rate_version": f"account_id IN ({CURRENT_ACCOUNT}, {OPERATOR})",
}

# table: [(columns, referenced table, its columns)]. Usage events have none on purpose: a check per row would cost the
# hot path a third of its speed; `tollbook audit` proves those references instead (docs/decisions).
KEYS = {
    "access_grant": [("account_id", "account", "id"), ("user_id", '"user"', "id")],
    "access_request": [("account_id", "account", "id"), ("user_id", '"user"', "id")],
    "ledger_account": [("account_id", "account", "id")],
    "transfer": [("account_id", "account", "id"), ("account_id, wallet_id", "wallet", "account_id, id")],
    "entry": [
        ("account_id, transfer_id", "transfer", "account_id, id"),
        ("account_id, code", "ledger_account", "account_id, code"),
    ],
    "rate": [("type_code", "credit_type", "code")],
    "wallet": [("account_id", "account", "id"), ("type_code", "credit_type", "code")],
    "hold": [("account_id", "account", "id")],
    "hold_item": [
        ("account_id, hold_id", "hold", "account_id, id"),
        ("account_id, wallet_id", "wallet", "account_id, id"),
    ],
    "hold_move": [
        ("account_id, hold_id", "hold", "account_id, id"),
        ("account_id, wallet_id", "wallet", "account_id, id"),
    ],
    "subscription": [("account_id", "account", "id"), ("component_code", "component", "code")],
    "invoice": [("account_id", "account", "id")],
    "invoice_line": [("account_id, invoice_id", "invoice", "account_id, id")],
    "open_balance": [("account_id, invoice_id", "invoice", "account_id, id")],
    "settlement": [
        ("account_id, invoice_id", "invoice", "account_id, id"),
        ("account_id, payment_id", "payment", "account_id, id"),
    ],
    "invoice_file": [("account_id, invoice_id", "invoice", "account_id, id")],
    "payment_method": [("account_id", "account", "id")],
    "payment": [("account_id", "account", "id")],
    "refill_rule": [("account_id, wallet_id", "wallet", "account_id, id")],
    "refill": [
        ("account_id, wallet_id", "wallet", "account_id, id"),
        ("account_id, invoice_id", "invoice", "account_id, id"),
    ],
    "refill_stop": [("account_id, wallet_id", "wallet", "account_id, id")],
}

ROLES = """
DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tollbook_engine', 'tollbook_portal'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of this server was migrated at the same moment
            END;
        END IF;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
           AND NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
    EXECUTE format('GRANT TEMPORARY, CONNECT ON DATABASE %I TO tollbook_engine', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO tollbook_engine, tollbook_portal', current_schema());
END $$
"""

CREDIT_TYPES = """
INSERT INTO credit_type (code, name, unit, position, is_active) VALUES
    ('email', 'Email Credit', 'messages', 1, true),
    ('ringless_voicemail', 'Ringless Voicemail Minutes', 'seconds', 2, true),
    ('speech_to_text', 'Speech to Text', 'seconds', 3, true),
    ('conversational_ai', 'Conversational AI/IVA Minutes', 'seconds', 4, true),
    ('sms', 'SMS Credit', 'segments', 5, true),
    ('inbound', 'Inbound Minutes', 'seconds', 6, true),
    ('outbound', 'Outbound Minutes', 'seconds', 7, true)
"""


def _privilege(word: str) -> str:
    return WORDS[word[0]] + word[1:]


def _grants() -> list[str]:
    statements = []
    for table, roles in PRIVILEGES.items():
        for role, words in zip(("tollbook_engine", "tollbook_portal"), roles, strict=True):
            if words:
                listed = ", ".join(map(_privilege, words.split()))
                statements.append(f"GRANT {listed} ON {table} TO {role}")
    statements.append("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tollbook_engine")
    return statements


def _keys() -> list[str]:
    return [
        f"ALTER TABLE {table} ADD FOREIGN KEY ({columns}) REFERENCES {other} ({their})"
        for table, keys in KEYS.items()
        for columns, other, their in keys
    ]


def _row_security() -> list[str]:
    statements = []
    for table in PRIVILEGES:
        if table in SHARED or table.startswith(("django_", "account_email")):
            continue
        rows = ROWS.get(table, f"account_id = {CURRENT_ACCOUNT}")
        statements += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY engine_sees_all ON {table} TO tollbook_engine, CURRENT_USER USING (true)",
            f"CREATE POLICY portal_sees_its_account ON {table} TO tollbook_portal USING ({rows})",
        ]
    return statements


class Migration(migrations.Migration):
    """Runs as the owner of the tables, who must be allowed to create roles, or find the two roles made beforehand."""

    dependencies = [
        ("tollbook", "0001_initial"),
        ("sessions", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]
    operations = [
        migrations.RunSQL(statement, migrations.RunSQL.noop)
        for statement in [ROLES, *_keys(), CREDIT_TYPES, *_grants(), *_row_security()]
    ]
