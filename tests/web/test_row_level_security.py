"""What stands behind every filter of the portal: with the filters removed, the database still shows one account only."""

import re
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.utils import ProgrammingError

from tests import rows
from tests.databases import Database
from tests.people import People, people
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import AccessGrant, AccessRequest, AuditEntry, User
from tollbook.invoicing.tables import Invoice
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import ENGINE_ROLE, PORTAL_ROLE, rows_of
from tollbook.rating.tables import Rate
from tollbook.wallets.tables import Wallet

# Shared by all accounts and the same for all, or never reached by the portal.
SHARED = {
    "credit_type", "component", "component_price", "operator_switch", "number_series", "worker_beat", "collection_schedule",
    "installation", "gateway_event", "alert_cursor", "seller_profile", "tax_rule", "billing_run", "billing_part",
    "account_emailaddress", "account_emailconfirmation", "django_session", "django_migrations", "django_content_type",
    "auth_group", "auth_permission", "auth_group_permissions",
}  # fmt: skip
WRITE_ONLY = {"usage_event_rows"}  # the engine adds to it by COPY, which no table with policies takes; it reads usage_event
UNREACHABLE = {
    "api_key", "number_series", "simulated_charge", "django_session", "account_emailaddress", "gateway_customer",
    "gateway_event", "installation", "billing_run", "billing_part", "draft_invoice", "deferral",
}  # fmt: skip
APPEND_ONLY = {
    "audit_entry", "ledger_account", "transfer", "entry", "usage_event", "hold_move", "invoice", "invoice_line",
    "credit_note", "credit_note_line", "reduction", "settlement", "invoice_file", "document_file", "payment",
    "usage_archive", "usage_archived", "usage_reversal", "gateway_customer", "charge_told",
    "alert_notice", "component_price", "subscription", "subscription_change",
}  # fmt: skip
# Look-ups over all accounts, which pick candidates by a plain read: index, and who reads it.
OVER_ACCOUNTS = {
    "api_key_by_prefix": "a key is found by its prefix before its account is known",
    "hold_to_expire": "the worker looks for holds that are over",
    "hold_by_id": "a platform-wide key names a hold by its id alone",
    "remembered_by_age": "old answers are forgotten, whosever they are",
    "refill_unfinished": "the worker looks for refills to move on",
    "payment_intent_unfinished": "the worker looks for payments to move on",
    "refund_unfinished": "the worker looks for refunds to move on",
    "payment_method_to_forget": "the worker has gateways drop cards that were removed",
    "gateway_event_pkey": "whose a webhook is, is not known when it comes",
    "gateway_event_waiting": "the worker takes up what gateways told",
    "gateway_event_done": "the worker forgets what was done long ago",
    "installation_pkey": "one row for all",
    "refill_finished": "the worker looks for refills to tell about",
    "payment_intent_finished": "the worker looks for payments to tell about",
    "deferral_next": "the worker looks for what is to be recognised",
    "invoice_issued": "the worker looks for invoices to tell about",
    "credit_note_issued": "the worker looks for credit notes to tell about",
    "component_price_pkey": "prices of components are shared by all accounts",
    "component_price_versions": "the same",
    "seller_profile_pkey": "sellers are shared by all accounts",
    "tax_rule_pkey": "rules of tax are shared by all accounts",
    "tax_rule_once": "the same",
    "billing_run_pkey": "a run is over all accounts",
    "one_run_under_way": "the same",
    "billing_run_newest_first": "the same",
    "billing_part_pkey": "the same",
    "alert_delivery_due": "the worker looks for what is to be sent",
    "refill_sent_lately": "the operator's limits of an hour count all accounts",
    "refill_needs_person": "the desk lists what waits, of all accounts",
    "payment_intent_needs_person": "the same of payments",
    "user_email_once": "people sign in by email alone",
    "user_pkey": "users are a shared reference table",
    "user_of_account": "the same",
}
OF_ANY = {"rate", "rate_version"}  # an account sees the operator's, too


@pytest.fixture
def them(db: Database) -> People:
    made = people()
    for account in (made.northwind, made.contoso):
        rows.fill(account, new_id())
    return made


def asked(query: str, values: list[object] | None = None) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def catalogue(db: Database, query: str) -> list[tuple]:
    with db.connect("owner") as owner:
        return owner.execute(query).fetchall()


def guarded(db: Database) -> list[str]:
    """Every table with rows of accounts."""
    found = catalogue(
        db, "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    return [name for (name,) in found if name not in SHARED | WRITE_ONLY]


def may(role: str, table: str, privilege: str) -> bool:
    """Whether the role has the privilege on the table or on any of its columns."""
    whole = asked(f"SELECT has_table_privilege('{role}', '\"{table}\"', '{privilege}')")[0][0]
    if privilege in ("DELETE", "TRUNCATE"):
        return whole
    return whole or asked(f"SELECT has_any_column_privilege('{role}', '\"{table}\"', '{privilege}')")[0][0]


def account_column(table: str) -> str:
    return "id" if table == "account" else "account_id"


def counts(table: str) -> dict[UUID, int]:
    column = account_column(table)
    return dict(asked(f'SELECT {column}, count(*) FROM "{table}" WHERE {column} IS NOT NULL GROUP BY 1'))


def test_every_table_shows_the_rows_of_one_account_without_any_filter(db: Database, them: People) -> None:
    tables = [table for table in guarded(db) if may(PORTAL_ROLE, table, "SELECT")]
    assert len(tables) > 20
    everything = {table: counts(table) for table in tables}
    with rows_of(them.northwind.id):
        seen = {table: counts(table) for table in tables}
    for table in tables:
        assert everything[table].keys() >= {them.northwind.id, them.contoso.id}, f"{table}: the test needs rows of both"
        assert seen[table] == {them.northwind.id: everything[table][them.northwind.id]}, table


def test_a_query_that_forgot_its_account_sees_no_other(them: People) -> None:
    with rows_of(them.northwind.id):
        assert {invoice.account_id for invoice in Invoice.objects.all()} == {them.northwind.id}
        assert {wallet.account_id for wallet in Wallet.objects.all()} == {them.northwind.id}
        emails = {user.email for user in User.objects.defer("password")}
        assert them.owner.email in emails
        assert not emails & {them.stranger.email, them.staff.email}
        assert not Invoice.objects.filter(account_id=them.contoso.id).exists()
        assert asked("SELECT count(*) FROM invoice AS a, invoice AS b WHERE a.account_id <> b.account_id") == [(0,)]


def test_without_an_account_the_portals_role_sees_nothing(db: Database, them: People) -> None:
    tables = [table for table in guarded(db) if may(PORTAL_ROLE, table, "SELECT")]
    for forgotten in (None, ""):
        with transaction.atomic():
            asked("SELECT set_config('role', %s, true)", [PORTAL_ROLE])
            if forgotten is not None:
                asked("SELECT set_config('tollbook.account_id', %s, true)", [forgotten])
            assert {table: counts(table) for table in tables} == dict.fromkeys(tables, {})


def test_the_operators_rates_are_seen_and_other_accounts_are_not(them: People) -> None:
    rate = Rate.objects.first()
    rate.account_id = OPERATOR_ID
    rate.save(force_insert=True)
    with rows_of(them.northwind.id):
        assert counts("rate").keys() == {OPERATOR_ID, them.northwind.id}


def test_role_and_account_end_with_the_scope(them: People) -> None:
    with rows_of(them.northwind.id):
        assert asked("SELECT current_user") == [(PORTAL_ROLE,)]
    assert asked("SELECT current_user, current_setting('tollbook.account_id', true)") == [(ENGINE_ROLE, "")]
    with pytest.raises(ZeroDivisionError), rows_of(them.northwind.id):
        raise ZeroDivisionError
    assert asked("SELECT current_user") == [(ENGINE_ROLE,)]


def test_a_scope_inside_a_transaction_is_refused(them: People) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError), rows_of(them.northwind.id):
        raise AssertionError("not reached")
    with rows_of(them.northwind.id), pytest.raises(RuntimeError), rows_of(them.contoso.id):
        raise AssertionError("not reached")


def test_rows_of_another_account_are_neither_changed_nor_deleted(db: Database, them: People) -> None:
    changeable = [table for table in guarded(db) if may(PORTAL_ROLE, table, "UPDATE")]
    deletable = [table for table in guarded(db) if may(PORTAL_ROLE, table, "DELETE")]
    assert set(changeable) >= {"user", "access_grant", "access_request", "refill_rule"}
    for table in changeable:
        column = asked(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND has_column_privilege(%s, attrelid, attnum, 'UPDATE') LIMIT 1",
            [f'"{table}"', PORTAL_ROLE],
        )[0][0]
        ours = counts(table)[them.northwind.id]
        assert changed(them, f'UPDATE "{table}" SET {column} = {column}') == ours, table
    for table in deletable:
        ours = counts(table)[them.northwind.id]
        assert changed(them, f'DELETE FROM "{table}"') == ours, table


def changed(them: People, statement: str) -> int:
    """How many rows the statement touches when Northwind's portal runs it; then it is taken back."""
    with rows_of(them.northwind.id), connection.cursor() as cursor:
        cursor.execute(statement)
        transaction.set_rollback(True)
        return cursor.rowcount


def test_no_row_can_be_put_into_another_account(them: People) -> None:
    now = AuditEntry.objects.first().at
    for make in (
        lambda: AuditEntry.objects.create(
            account_id=them.contoso.id, id=new_id(), at=now, actor_kind="user", actor_name="x", action="x", target="x"
        ),
        lambda: AccessGrant.objects.create(
            account_id=them.contoso.id, user_id=them.stranger.id, area="credits", can_read=True,
            granted_by=them.owner.id, granted_at=now,
        ),
        lambda: AccessRequest.objects.create(
            account_id=them.contoso.id, id=new_id(), user_id=them.stranger.id, requested_at=now
        ),
        lambda: User.objects.create(
            id=new_id(), account=them.contoso, email="new@x.example", level="super_admin", created_at=now
        ),
        lambda: User.objects.create(id=new_id(), email="new@x.example", level="staff", created_at=now),
    ):  # fmt: skip
        with pytest.raises(DatabaseError, match="row-level security"), rows_of(them.northwind.id):
            make()


def test_a_row_can_not_be_moved_to_another_account(them: People) -> None:
    with pytest.raises(DatabaseError), rows_of(them.northwind.id):
        AccessGrant.objects.all().update(account_id=them.contoso.id)
    with pytest.raises(ProgrammingError, match="permission denied"), rows_of(them.northwind.id):
        User.objects.filter(id=them.agent.id).update(account=them.contoso)


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT password FROM \"user\"",
        "SELECT * FROM \"user\"",
        "UPDATE \"user\" SET password = ''",
        "UPDATE \"user\" SET email = 'x@x.example'",
        "DELETE FROM \"user\"",
        "SELECT 1 FROM api_key",
        "SELECT 1 FROM django_session",
        "SELECT 1 FROM account_emailaddress",
        "INSERT INTO api_key SELECT * FROM api_key",
        "UPDATE wallet SET paid = 1000000",
        "UPDATE open_balance SET balance = 0",
        "UPDATE account SET overdraft_limit = 1000000",
        "UPDATE audit_entry SET actor_name = 'x'",
        "DELETE FROM audit_entry",
        "INSERT INTO entry SELECT * FROM entry",
        "UPDATE credit_type SET name = 'x'",
        "CREATE TABLE mine (x int)",
        "TRUNCATE audit_entry",
    ],
)  # fmt: skip
def test_the_portals_role_can_not(them: People, forbidden: str) -> None:
    refused = pytest.raises(ProgrammingError, match="permission denied|must be owner")
    with refused, rows_of(them.northwind.id), connection.cursor() as cursor:
        cursor.execute(forbidden)


def test_every_table_of_accounts_is_guarded_even_from_its_owner(db: Database) -> None:
    unguarded = catalogue(
        db,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        " AND NOT (relrowsecurity AND relforcerowsecurity)",
    )
    assert {name for (name,) in unguarded} <= SHARED | WRITE_ONLY
    with_account = catalogue(
        db,
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'account_id'",
    )
    assert not {name for (name,) in with_account} & SHARED


@pytest.mark.parametrize("table", sorted(WRITE_ONLY))
def test_what_has_no_policies_can_be_added_to_by_the_engine_and_that_is_all(db: Database, table: str) -> None:
    privileges = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
    assert [privilege for privilege in privileges if may(ENGINE_ROLE, table, privilege)] == ["INSERT"]
    assert [privilege for privilege in privileges if may(PORTAL_ROLE, table, privilege)] == []


def test_every_guarded_table_has_just_the_two_policies(db: Database) -> None:
    policies = catalogue(
        db,
        "SELECT tablename, roles::text[], permissive, cmd, qual, with_check FROM pg_policies WHERE schemaname = 'public'",
    )
    portal = {table: rest for table, roles, *rest in policies if PORTAL_ROLE in roles}
    assert set(portal) == set(guarded(db))
    assert len(policies) == 2 * len(portal)
    for table, (permissive, cmd, qual, with_check) in portal.items():
        assert (permissive, cmd, with_check) == ("PERMISSIVE", "ALL", None), table
        shape = rf"\(?{account_column(table)} (= |= ANY \(ARRAY\[|IN \()?.*tollbook\.account_id.*"
        assert re.fullmatch(shape, qual, re.DOTALL), qual
        assert (" OR " not in qual) and ((" ANY " in qual) == (table in OF_ANY)), qual


def test_every_key_and_index_of_an_account_begins_with_it(db: Database) -> None:
    found = catalogue(
        db,
        "SELECT t.relname, i.relname, a.attname FROM pg_index AS x"
        " JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_class AS i ON i.oid = x.indexrelid"
        " LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]"
        " WHERE t.relnamespace = 'public'::regnamespace",
    )
    ours = set(guarded(db)) - {"account"}
    elsewhere = {index for table, index, first in found if table in ours and first != "account_id"}
    assert elsewhere <= set(OVER_ACCOUNTS), "name the reason in OVER_ACCOUNTS, or put account_id first"


def test_every_reference_between_tables_of_accounts_carries_the_account(db: Database) -> None:
    keys = catalogue(
        db,
        "SELECT conrelid::regclass::text, confrelid::regclass::text, (SELECT array_agg(attname::text) FROM pg_attribute"
        " WHERE attrelid = conrelid AND attnum = ANY (conkey)), confdeltype::text FROM pg_constraint WHERE contype = 'f'"
        " AND connamespace = 'public'::regnamespace",
    )
    tenants = {table for table in guarded(db) if table not in ("account", "user")}
    for table, other, columns, on_delete in keys:
        if table in tenants and other in tenants:
            assert "account_id" in columns, f"{table} → {other}"
            assert on_delete == "a", f"{table} → {other}"


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
@pytest.mark.parametrize("role", [ENGINE_ROLE, PORTAL_ROLE])
def test_what_is_written_for_ever_can_be_neither_changed_nor_deleted(db: Database, role: str, table: str) -> None:
    for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
        assert not may(role, table, privilege), privilege


@pytest.mark.parametrize("table", sorted(UNREACHABLE))
def test_the_portal_reaches_no_secrets_and_no_counters(db: Database, table: str) -> None:
    for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
        assert not may(PORTAL_ROLE, table, privilege), privilege


def test_nothing_in_the_schema_goes_round_the_guard(db: Database) -> None:
    def names(query: str) -> list[tuple]:
        return catalogue(db, query)

    assert not names(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm' OR relkind = 'v'"
        " AND NOT coalesce(reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on'], false))"
    ), "views without security_invoker"
    assert not names("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef")
    assert not names("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
    assert not names(
        f"SELECT rolname FROM pg_roles WHERE rolname IN ('{ENGINE_ROLE}', '{PORTAL_ROLE}') AND"
        " (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin)"
    )
    assert not names(
        f"SELECT FROM pg_auth_members WHERE member IN ('{ENGINE_ROLE}'::regrole, '{PORTAL_ROLE}'::regrole)"
    ), "a role that can become another one"
    assert not names(
        "SELECT grantee, table_name FROM information_schema.role_table_grants"
        " WHERE table_schema = 'public' AND grantee = 'PUBLIC'"
    )
