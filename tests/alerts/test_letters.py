"""Reminders by the calendar of the account, receipts, and the documents that go with mail."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.test import override_settings

from tests.alerts.conftest import Told
from tests.alerts.receivers import MailServer
from tests.payments.till import Till
from tests.refills.shop import SUPPORT
from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.alerts import notify
from tollbook.invoicing import file
from tollbook.invoicing.tables import Invoice
from tollbook.payments.receipt import receipt_pdf
from tollbook.payments.transfer import record_transfer
from tollbook.settings import reminder_days


def due(told: Told, days_past: int, terms_days: int = 14) -> Invoice:
    """An open invoice that was due so many days ago."""
    Account.objects.filter(id=told.id).update(terms_days=terms_days)
    told.shop.account.refresh_from_db()
    till = Till.__new__(Till)
    till.db, till.account, till.id = told.shop.db, told.shop.account, told.id
    return till.invoice("100.00", days_ago=days_past + terms_days)


@pytest.mark.parametrize(
    ("days_past", "step"), [(-4, None), (-3, -3), (0, -3), (1, 1), (6, 1), (7, 7), (14, 14), (17, 14), (18, None)]
)
def test_an_open_invoice_is_reminded_of_by_the_last_step_reached(told: Told, days_past: int, step: int | None) -> None:
    due(told, days_past)
    for _ in range(2):
        notify.write_letters()
    assert [one.data["step"] for one in told.notices("invoice.reminder")] == ([] if step is None else [step])


@override_settings(REMINDER_DAYS=[-10, 30])
@pytest.mark.parametrize(("days_past", "step"), [(-11, None), (-10, -10), (14, -10), (29, -10), (30, 30), (34, None)])
def test_the_operator_sets_the_days_of_reminders(told: Told, days_past: int, step: int | None) -> None:
    due(told, days_past)
    notify.write_letters()
    assert [one.data["step"] for one in told.notices("invoice.reminder")] == ([] if step is None else [step])


@override_settings(REMINDER_DAYS=[])
def test_the_operator_turns_reminders_off(told: Told) -> None:
    due(told, 7)
    notify.write_letters()
    assert told.notices("invoice.reminder") == []


def test_the_days_of_reminders_are_written_in_a_row() -> None:
    assert reminder_days("14, -3,1,1") == [-3, 1, 14]
    assert reminder_days("OFF") == []
    for nonsense in ("soon", "1,,2", "-400"):
        with pytest.raises(ValueError):
            reminder_days(nonsense)


def test_a_young_invoice_is_not_reminded_of_before_its_day(told: Told) -> None:
    due(told, -2, terms_days=2)
    notify.write_letters()
    assert told.notices("invoice.reminder") == []


def test_what_is_paid_is_not_reminded_of_and_has_a_receipt_instead(told: Told, mails: MailServer) -> None:
    invoice = due(told, 7)
    record_transfer(told.shop.account, invoice.number, Decimal(100), "SEPA 1", SUPPORT)
    for _ in range(2):
        notify.write_letters()
    assert told.notices("invoice.reminder") == []
    [receipt] = told.notices("payment.received")
    assert receipt.data["invoices"] == [invoice.number] and receipt.data["amount"] == "100.00"
    told.send()
    [mail] = mails.to("owner@northwind.example")
    assert "Receipt for $100.00" in str(mail["subject"])
    [pdf] = [part for part in mail.walk() if part.get_content_type() == "application/pdf"]
    payment_id = UUID(receipt.subject.removeprefix("payment/"))
    assert pdf.get_payload(decode=True) == receipt_pdf(told.id, payment_id)


def test_the_payment_of_a_refill_has_no_second_receipt(told: Told) -> None:
    told.shop.ready("50.00").run()
    notify.write_letters()
    assert told.notices("payment.received") == []


def test_mail_about_an_invoice_brings_the_very_bytes_of_its_download(told: Told, mails: MailServer) -> None:
    Account.objects.filter(id=told.id).update(locale="es-es")
    invoice = due(told, 1)
    notify.write_letters()
    told.send()
    [mail] = mails.to("owner@northwind.example")
    [pdf] = [part for part in mail.walk() if part.get_content_type() == "application/pdf"]
    assert pdf.get_filename() == f"{invoice.number}.pdf"
    assert pdf.get_payload(decode=True) == file.pdf(told.id, invoice.number)
    html = next(part for part in mail.walk() if part.get_content_type() == "text/html").get_content()
    assert '<html lang="es">' in html and "por pagar" in html and "100,00" in html
    assert f"{(today_in(told.shop.account) - timedelta(days=1)).year}" in html
