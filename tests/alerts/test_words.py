"""Every kind has words for people, in their figures, and nothing of it is empty or left out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import resolve

from tollbook.alerts import kinds, words
from tollbook.alerts.tables import Notice
from tollbook.alerts.words import Reader

WALLET = {"type": "outbound", "name": "Outbound Minutes"}
MONEY = {"currency": "EUR", "amount": "1234.50", "balance": "12.345678"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "wallet.low": MONEY | {"wallet": WALLET, "level": "20%", "threshold": "100.00"},
    "refill.succeeded": MONEY | {"wallet": WALLET, "automatic": True, "invoice": "INV-000132"},
    "refill.declined": MONEY | {"wallet": WALLET, "automatic": True, "reason": "The bank said no."},
    "refill.stopped": MONEY
    | {"wallet": WALLET, "code": "monthly_cap", "reason": "The cap.", "until": "2026-12-01T00:00:00Z"},
    "refill.action_required": MONEY | {"wallet": WALLET, "automatic": True},
    "refill.unresolved": MONEY | {"wallet": WALLET, "automatic": True, "account": "northwind", "refill": "x"},
    "payment.failed": MONEY | {"invoice": "INV-000132", "reason": "No.", "next_on": "2026-12-03"},
    "payment.action_required": MONEY | {"invoice": "INV-000132", "reason": ""},
    "payment.unresolved": MONEY | {"invoice": "INV-000132", "reason": "", "account": "northwind"},
    "dispute.opened": MONEY | {"dispute": "stripe dp_1", "fee": "15.00", "paid_by": "Visa •• 4242"},
    "dispute.closed": MONEY | {"dispute": "stripe dp_1", "fee": "15.00", "paid_by": "Visa •• 4242", "result": "lost"},
    "invoice.issued": {
        "invoice": "INV-000132", "kind": "recurring", "total": "1234.50", "open": "1234.50", "currency": "EUR",
        "issued_on": "2026-11-03", "due_on": "2026-11-17",
    },
    "invoice.reminder": {
        "invoice": "INV-000132", "total": "1234.50", "open": "1234.50", "currency": "EUR", "issued_on": "2026-11-03",
        "due_on": "2026-11-17", "step": 7,
    },
    "payment.received": {
        "amount": "1234.50", "currency": "EUR", "paid_by": "Visa •• 4242", "received_at": "2026-11-03T19:02:00Z",
        "invoices": ["INV-000132"],
    },
    "card.expiring": {"card": "Visa •• 4242", "default": True, "last_day": "2026-12-31"},
    "endpoint.disabled": {"endpoint": "x", "url": "https://hooks.example/", "reason": "Answered 500."},
}  # fmt: skip


def said(kind: str, reader: Reader, **more: Any) -> words.Message:
    now = datetime(2026, 11, 3, 19, 2, tzinfo=UTC)
    return words.message(Notice(kind=kind, occurred_at=now, data=EXAMPLES[kind] | more), reader)


@pytest.mark.parametrize("kind", sorted({*kinds.OF_ACCOUNTS, *kinds.OF_OPERATOR}))
def test_every_kind_is_said_in_words(kind: str) -> None:
    message = said(kind, Reader("de-DE", "Europe/Berlin"))
    assert message.title and any(message.sentences) and message.path.startswith("/") and message.button
    text = " ".join([message.title, *message.sentences, *(value for _, value in message.facts)])
    assert "None" not in text and "{" not in text and "1,234" not in text
    assert resolve(message.path)
    if "amount" in EXAMPLES[kind] and kind not in ("wallet.low", "refill.stopped"):
        assert "1.234,50 €" in text.replace("\u00a0", " ")


def test_days_and_times_are_the_accounts() -> None:
    assert "17 Nov 2026" in said("invoice.issued", Reader("de-DE", "Europe/Berlin")).sentences[0]
    assert "Nov 17, 2026" in said("invoice.issued", Reader()).sentences[0]
    facts = dict(said("refill.stopped", Reader("en-US", "America/New_York")).facts)
    assert facts["Until"] == "Nov 30, 2026, 19:00 EST"


def test_an_empty_wallet_is_said_to_be_used_up() -> None:
    assert said("wallet.low", Reader(), balance="-0.5", level="0.00").title == "Outbound Minutes is used up"


def test_the_operator_reads_of_which_account() -> None:
    assert "northwind" in said("refill.stopped", Reader(), account="northwind").title
    assert "northwind" in said("dispute.opened", Reader(), account="northwind").title


@pytest.mark.parametrize("kind", sorted(kinds.OF_ACCOUNTS))
def test_every_kind_of_an_account_is_said_in_spanish_too(kind: str) -> None:
    english, message = said(kind, Reader("en-GB")), said(kind, Reader("es-ES", "Europe/Madrid"))
    assert message.title != english.title and message.sentences != english.sentences
    assert message.path == english.path and message.button != english.button
    text = " ".join([message.title, *message.sentences, *(value for _, value in message.facts)])
    assert "None" not in text and "{" not in text and "1,234" not in text


def test_spanish_days_and_amounts_are_spanish() -> None:
    reminder = said("invoice.reminder", Reader("es-ES", "Europe/Madrid"))
    assert reminder.title == "La factura INV-000132 venció el 17 nov 2026"
    assert "1.234,50 €" in reminder.sentences[0]
    assert "vence el" in said("invoice.reminder", Reader("es-ES"), step=-3).title
