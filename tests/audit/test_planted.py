"""What only a hand in the tables could have done to documents: no role of ours can, and the audit names each row."""

from datetime import date
from decimal import Decimal

import psycopg
import pytest

from tests.databases import Database
from tests.invoicing.papers import issued, line
from tests.people import people
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.corrections.correct import Wanted, correct, give_up
from tollbook.invoicing import file
from tollbook.payments.transfer import record_transfer
from tollbook.postgres.scope import ENGINE_ROLE, PORTAL_ROLE

DOCUMENTS = (
    "invoice", "invoice_line", "credit_note", "credit_note_line", "settlement", "reduction", "invoice_file", "payment",
    "transfer", "entry",
)  # fmt: skip


@pytest.fixture
def account(db: Database) -> Account:
    """Northwind with three invoices: one half paid and half credited, one written off, one open, and its file."""
    mine = people().northwind
    first, second, third = (issued(mine, line("100.00"), line("50.00"), issued_on=date(2026, 11, 3)) for _ in range(3))
    record_transfer(mine, first.number, Decimal(75), "bank 1", SYSTEM)
    correct(mine, first.number, Wanted("Half", {1: Decimal(75)}), SYSTEM)
    give_up(mine, second.number, "Bankrupt", SYSTEM)
    file.pdf(mine.id, third.number)
    return mine


def columns(db: Database, table: str) -> list[str]:
    with db.connect("owner") as owner:
        query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        return [name for (name,) in owner.execute(query, [table])]


@pytest.mark.parametrize("role", [ENGINE_ROLE, PORTAL_ROLE])
def test_no_role_of_the_application_changes_an_issued_document(db: Database, account: Account, role: str) -> None:
    """Every column of every table that documents and their money stand in, by direct SQL, with the rows in sight."""
    with db.connect("app") as connection:
        connection.execute(f"SET ROLE {role}")
        connection.execute("SELECT set_config('tollbook.account_id', %s, false)", [str(account.id)])
        for table in DOCUMENTS:
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0, f"{table}: nothing to change"
            tried = [f"UPDATE {table} SET {column} = {column}" for column in columns(db, table)]
            for statement in [*tried, f"DELETE FROM {table}", f"TRUNCATE {table}", f"ALTER TABLE {table} OWNER TO {role}"]:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)


def test_the_engine_moves_balances_and_counters_and_nothing_beside_them(db: Database, account: Account) -> None:
    with db.connect("app") as connection:
        for statement in (
            "UPDATE open_balance SET total = total + 1", "UPDATE open_balance SET number = 'X'", "DELETE FROM open_balance",
            "UPDATE history_day SET issued_on = issued_on", "UPDATE history_size SET size = 0", "DELETE FROM history_day",
            "DELETE FROM number_series", "UPDATE number_series SET series = 'X'",
            "INSERT INTO invoice SELECT * FROM invoice ON CONFLICT (account_id, id) DO UPDATE SET total = 0",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


PLANTED = {
    "a line's amount": (
        "UPDATE invoice_line SET amount = amount - 1 FROM invoice"
        " WHERE invoice.id = invoice_id AND number = 'INV-000003' AND position = 2",
        ("invoice_lines_equal_their_total", "invoice INV-000003"),
    ),
    "a line that is gone": (
        "DELETE FROM invoice_line USING invoice WHERE invoice.id = invoice_id AND number = 'INV-000003' AND position = 1",
        ("every_line_belongs_to_an_invoice", "line 2 of invoice INV-000003"),
    ),
    "an invoice's total with all its copies": (
        "WITH i AS (UPDATE invoice SET subtotal = subtotal - 50, total = total - 50 WHERE number = 'INV-000003'"
        " RETURNING id),"
        " l AS (UPDATE invoice_line SET amount = 0 FROM i WHERE invoice_id = i.id AND position = 2)"
        " UPDATE open_balance SET total = total - 50, balance = balance - 50 FROM i WHERE invoice_id = i.id",
        ("documents_are_in_the_books", "invoice INV-000003"),
    ),
    "a line's tax": (
        "UPDATE invoice_line SET tax_rate = 19 FROM invoice WHERE invoice.id = invoice_id AND number = 'INV-000002'",
        ("tax_is_its_rate_of_what_it_is_on", "invoice INV-000002"),
    ),
    "what is owed": (
        "UPDATE open_balance SET balance = 0 WHERE number = 'INV-000003'",
        ("open_balances_equal_settlements", "invoice INV-000003"),
    ),
    "a settlement": (
        "UPDATE settlement SET amount = amount - 1",
        ("open_balances_equal_settlements", "invoice INV-000001"),
    ),
    "a number": (
        "WITH i AS (UPDATE invoice SET number = 'INV-000009' WHERE number = 'INV-000003' RETURNING id)"
        " UPDATE open_balance SET number = 'INV-000009' FROM i WHERE invoice_id = i.id",
        ("numbers_are_dense", "series operator/INV"),
    ),
    "a credit note's line": (
        "UPDATE credit_note_line SET amount = amount + 1",
        ("credit_note_lines_equal_their_total", "credit note CN-000001"),
    ),
    "more credited than billed": (
        "WITH l AS (UPDATE credit_note_line SET amount = 175), c AS (UPDATE credit_note SET subtotal = 175, total = 175)"
        " UPDATE reduction SET amount = 175 WHERE kind = 'credit_note'",
        ("no_more_is_credited_than_was_billed", "line 1 of invoice INV-000001"),
    ),
    "a credit note that names another invoice": (
        "UPDATE credit_note SET invoice_id = (SELECT id FROM invoice WHERE number = 'INV-000003')",
        ("credit_notes_reduce_their_invoices", "credit note CN-000001"),
    ),
    "a write-off": (
        "UPDATE reduction SET amount = 149 WHERE kind = 'write_off'",
        ("write_offs_are_in_the_books", "ledger account bad_debt"),
    ),
    "a status": (
        "UPDATE open_balance SET written_off = 0 WHERE number = 'INV-000002'",
        ("written_off_is_what_was_given_up", "invoice INV-000002"),
    ),
    "a due date": (
        "UPDATE open_balance SET due_on = due_on + 1, grace_until_on = grace_until_on + 1 WHERE number = 'INV-000002'",
        ("open_balances_copy_their_invoices", "invoice INV-000002"),
    ),
    "a count by day": (
        "UPDATE history_day SET count = count + 1 WHERE is_open AND count > 0",
        ("history_is_counted_by_day", "open invoices of 2026-11-03"),
    ),
    "a count by amount": (
        "DELETE FROM history_size WHERE NOT is_open",
        ("history_is_counted_by_amount", "paid invoices of 2026-11"),
    ),
    "an entry in the books": (
        "UPDATE entry SET amount = amount + 1 WHERE code = 'receivable' AND amount = 150 AND transfer_id ="
        " (SELECT t.id FROM transfer t JOIN invoice i ON i.id::text = t.reference WHERE i.number = 'INV-000003')",
        ("documents_are_in_the_books", "invoice INV-000003"),
    ),
    "a document's transfer": (
        "UPDATE transfer SET reference = 'x' WHERE kind = 'credit_note'",
        ("documents_are_in_the_books", "credit note CN-000001"),
    ),
}


def test_the_books_are_proven_before_anything_is_planted(account: Account) -> None:
    assert audit(None) == []


@pytest.mark.parametrize("what", PLANTED)
def test_the_audit_names_the_row_that_was_forged(db: Database, account: Account, what: str) -> None:
    forgery, (rule, row) = PLANTED[what]
    with db.connect("owner") as owner:
        assert owner.execute(forgery).rowcount > 0, "nothing was planted"
    assert (rule, row) in [(finding.rule, finding.row) for finding in audit(None)]
