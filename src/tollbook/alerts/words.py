"""A notice as a person reads it: a title, sentences, facts, and where to look; in the figures, days and times of the
account, as its invoices have them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from tollbook.accounts.tables import Account
from tollbook.alerts import spanish
from tollbook.alerts.tables import Notice
from tollbook.invoicing.document import figures
from tollbook.money.amount import to_minor


@dataclass(frozen=True, slots=True)
class Message:
    """What a mail says. `facts` are names and values; `path` is the page to open."""

    title: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    path: str
    button: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose figures and days count."""

    locale: str = "en-US"
    timezone: str = "UTC"

    def money(self, data: Mapping[str, Any], name: str) -> str:
        """`$1,234.50`, `1.234,50 €`: at the currency's minor unit."""
        amount = to_minor(Decimal(data[name]), data["currency"])
        return figures.money(amount, data["currency"], self.locale).replace("\u00a0", " ")

    def day(self, text: str) -> str:
        """`Nov 3, 2026`."""
        return self._day(date.fromisoformat(text))

    def moment(self, text: str) -> str:
        """`Nov 3, 2026, 14:02 EST`."""
        local = datetime.fromisoformat(text).astimezone(ZoneInfo(self.timezone))
        return f"{self._day(local.date())}, {local:%H:%M %Z}"

    @property
    def is_spanish(self) -> bool:
        """Whether mail is in Spanish; else it is in English."""
        return self.locale.split("-")[0] == "es"

    def _day(self, value: date) -> str:
        if self.is_spanish:
            return f"{value.day} {spanish.MONTHS[value.month - 1]} {value.year}"
        return figures.day(value, self.locale)


def reader_of(account: Account | None) -> Reader:
    """The account's own; American for the operator."""
    if account is None:
        return Reader()
    language, _, country = account.locale.partition("-")
    return Reader(f"{language}-{country.upper()}" if country else language, account.timezone)


def message(notice: Notice, reader: Reader) -> Message:
    """What the mail about this notice says."""
    said = _MESSAGES[notice.kind](notice.data, reader)
    if not reader.is_spanish or notice.kind not in spanish.SAID:
        return said
    title, sentences, facts, button = spanish.SAID[notice.kind](notice.data, reader)
    return Message(title, sentences, tuple((name, value) for name, value in facts if value), said.path, button)


FRAME = {
    "lang": "en",
    "choose_text": "Who gets which mail",
    "choose_lead": "You choose who gets which mail",
    "choose_link": "on the page Alerts",
}
"""What stands around every message."""


def frame(reader: Reader) -> dict[str, str]:
    """The same in the reader's language."""
    return spanish.FRAME if reader.is_spanish else FRAME


def address(path: str) -> str:
    """The page's full address, as the operator's settings have it."""
    return settings.PUBLIC_URL.rstrip("/") + path


def _low(data: Mapping[str, Any], reader: Reader) -> Message:
    name, balance = data["wallet"]["name"], reader.money(data, "balance")
    empty = Decimal(data["balance"]) <= 0
    title = f"{name} is used up" if empty else f"{name} is down to {balance}"
    share = data["level"].endswith("%")
    level = (
        f"{data['level'][:-1]} % of what it held after the last funding ({reader.money(data, 'threshold')})"
        if share
        else reader.money(data, "threshold")
    )
    return Message(
        title,
        (f"The balance fell to its level of {level}.", "You are told once for each time it falls that far."),
        (("Balance", balance), ("Level", f"{data['level'][:-1]} %" if share else reader.money(data, "threshold"))),
        _wallet_path(data),
        "Open the wallet",
    )


def _succeeded(data: Mapping[str, Any], reader: Reader) -> Message:
    name, amount = data["wallet"]["name"], reader.money(data, "amount")
    facts = [("Amount", amount), ("Balance now", reader.money(data, "balance")), ("Invoice", data.get("invoice", ""))]
    how = "automatically" if data["automatic"] else "as asked for"
    return Message(
        f"{name} was refilled with {amount}",
        (f"The card was charged {amount} {how}, and the credit is there.",),
        tuple((label, value) for label, value in facts if value),
        f"/billing/invoices/{data['invoice']}/" if data.get("invoice") else _wallet_path(data),
        "Open the invoice" if data.get("invoice") else "Open the wallet",
    )


def _declined(data: Mapping[str, Any], reader: Reader) -> Message:
    name, amount = data["wallet"]["name"], reader.money(data, "amount")
    return Message(
        f"The refill of {name} was declined",
        (
            f"The card was not charged {amount}; the wallet was not credited.",
            data.get("reason", ""),
            "Service goes on until the credit is used up. Check the card, or use another one.",
        ),
        (("Amount", amount), ("Balance", reader.money(data, "balance"))),
        _wallet_path(data),
        "Open the wallet",
    )


def _stopped(data: Mapping[str, Any], reader: Reader) -> Message:
    name, of = data["wallet"]["name"], f" of {data['account']}" if "account" in data else ""
    until = (("Until", reader.moment(data["until"])),) if data.get("until") else ()
    return Message(
        f"Refills of {name}{of} are stopped",
        ("The wallet is due for a refill, and nothing is charged:", data["reason"], "Service goes on meanwhile."),
        (("Balance", reader.money(data, "balance")), *until),
        f"/desk/accounts/{data['account']}/wallets/{data['wallet']['type']}/" if of else _wallet_path(data),
        "Open the wallet",
    )


def _action_required(data: Mapping[str, Any], reader: Reader) -> Message:
    name, amount = data["wallet"]["name"], reader.money(data, "amount")
    return Message(
        f"Please confirm the refill of {name}",
        (f"{data.get('reason') or 'The bank wants the card holder to confirm this payment.'}", "Nothing is charged before."),
        (("Amount", amount), ("Balance", reader.money(data, "balance"))),
        _wallet_path(data),
        "Open the wallet",
    )


def _unresolved(data: Mapping[str, Any], reader: Reader) -> Message:
    name, amount = data["wallet"]["name"], reader.money(data, "amount")
    return Message(
        f"A refill of {data['account']} is unresolved",
        (
            f"A refill of {amount} for {name} waits for a person: the gateway does not tell what became of it, or tells "
            "what can't be.",
            "It is never charged again meanwhile. Look at the gateway's own list, then settle it on the desk.",
        ),
        (("Refill", data["refill"]), ("Amount", amount), ("Said", data.get("reason") or "nothing")),
        "/desk/refills/",
        "Open the refills",
    )


def _invoice(data: Mapping[str, Any], reader: Reader) -> Message:
    total, due = reader.money(data, "total"), reader.day(data["due_on"])
    is_open = Decimal(data["open"]) > 0
    return Message(
        f"Invoice {data['invoice']} of {total}",
        (f"{reader.money(data, 'open')} is due on {due}." if is_open else "It is paid; nothing is due.",),
        (("Total", total), ("Issued", reader.day(data["issued_on"])), ("Due", due)),
        f"/billing/invoices/{data['invoice']}/",
        "Open the invoice",
    )


def _reminder(data: Mapping[str, Any], reader: Reader) -> Message:
    left, due = reader.money(data, "open"), reader.day(data["due_on"])
    when = "is due" if data["step"] <= 0 else "was due"
    return Message(
        f"Invoice {data['invoice']} {when} on {due}",
        (f"{left} of it is open.", "If you have paid it just now, there is nothing to do."),
        (("Open", left), ("Total", reader.money(data, "total")), ("Due", due)),
        f"/billing/invoices/{data['invoice']}/pay/",
        "Pay the invoice",
    )


def _received(data: Mapping[str, Any], reader: Reader) -> Message:
    amount, paid = reader.money(data, "amount"), ", ".join(data["invoices"])
    facts = [
        ("Amount", amount),
        ("Paid by", data["paid_by"]),
        ("Received", reader.moment(data["received_at"])),
        ("Invoice" if len(data["invoices"]) < 2 else "Invoices", paid),
    ]
    return Message(
        f"Receipt for {amount}",
        (f"We received your payment of {amount}. Thank you.", "" if paid else "It is kept as credit of your account."),
        tuple((name, value) for name, value in facts if value),
        f"/billing/invoices/{data['invoices'][0]}/" if paid else "/billing/invoices/",
        "Open the invoice" if paid else "Open the invoices",
    )


def _payment_failed(data: Mapping[str, Any], reader: Reader) -> Message:
    amount = reader.money(data, "amount")
    again = f"It is tried again on {reader.day(data['next_on'])}." if data.get("next_on") else "It is not tried again."
    return Message(
        f"Payment of invoice {data['invoice']} failed",
        (f"{amount} could not be collected.", data.get("reason", ""), again),
        (("Invoice", data["invoice"]), ("Amount", amount)),
        f"/billing/invoices/{data['invoice']}/pay/",
        "Pay the invoice",
    )


def _payment_to_confirm(data: Mapping[str, Any], reader: Reader) -> Message:
    amount = reader.money(data, "amount")
    return Message(
        f"Please confirm the payment of invoice {data['invoice']}",
        (data["reason"] or "The bank wants the card's holder to confirm this payment.", "Nothing is charged before."),
        (("Invoice", data["invoice"]), ("Amount", amount)),
        f"/billing/invoices/{data['invoice']}/",
        "Open the invoice",
    )


def _payment_unresolved(data: Mapping[str, Any], reader: Reader) -> Message:
    amount = reader.money(data, "amount")
    return Message(
        f"A payment of {data['account']} is unresolved",
        (
            f"A payment of {amount} for invoice {data['invoice']} waits for a person: the gateway does not tell what "
            "became of it, or tells what can't be.",
            "It is never charged again meanwhile. Look at the gateway's own list, then settle it on the desk.",
        ),
        (("Invoice", data["invoice"]), ("Amount", amount), ("Said", data["reason"] or "nothing")),
        "/desk/payments/",
        "Open the payments",
    )


def _dispute_opened(data: Mapping[str, Any], reader: Reader) -> Message:
    amount, of = reader.money(data, "amount"), f" of {data['account']}" if "account" in data else ""
    return Message(
        f"A charge{of} of {amount} is disputed",
        (
            "The card's holder asked the bank for the money back.",
            "The sum is set aside until the bank has decided.",
        ),
        (("Amount", amount), ("Paid by", data["paid_by"]), ("Dispute", data["dispute"])),
        "/desk/payments/disputes/" if of else "/billing/invoices/",
        "Open the disputes" if of else "Open Billing",
    )


def _dispute_closed(data: Mapping[str, Any], reader: Reader) -> Message:
    amount, of = reader.money(data, "amount"), f" of {data['account']}" if "account" in data else ""
    won = data["result"] == "won"
    return Message(
        f"The dispute{of} about {amount} was {data['result']}",
        ("The money stays where it was." if won else "The money went back to the card's holder.",),
        (("Amount", amount), ("Paid by", data["paid_by"]), ("Dispute", data["dispute"])),
        "/desk/payments/disputes/" if of else "/billing/invoices/",
        "Open the disputes" if of else "Open Billing",
    )


def _card(data: Mapping[str, Any], reader: Reader) -> Message:
    last = reader.day(data["last_day"])
    said = "Refills are charged to it." if data["default"] else "It is not the card that is charged now."
    return Message(
        f"{data['card']} expires on {last}",
        (f"{said} Replace it before then, so that refills go on.",),
        (("Card", data["card"]), ("Last day", last)),
        "/billing/payment-methods/",
        "Open the cards",
    )


def _disabled(data: Mapping[str, Any], reader: Reader) -> Message:
    return Message(
        "A webhook endpoint is switched off",
        (
            f"{data['url']} did not accept webhooks: {data['reason']}",
            "Nothing more is sent there. What it missed is kept in the delivery log and can be sent again once the endpoint "
            "is switched on.",
        ),
        (("Endpoint", data["url"]),),
        "/desk/alerts/" if "account" in data else "/billing/alerts/",
        "Open alerts",
    )


def _wallet_path(data: Mapping[str, Any]) -> str:
    return f"/billing/credits/{data['wallet']['type']}/"


_MESSAGES: dict[str, Callable[[Mapping[str, Any], Reader], Message]] = {
    "wallet.low": _low,
    "refill.succeeded": _succeeded,
    "refill.declined": _declined,
    "refill.stopped": _stopped,
    "refill.action_required": _action_required,
    "refill.unresolved": _unresolved,
    "payment.failed": _payment_failed,
    "payment.action_required": _payment_to_confirm,
    "payment.unresolved": _payment_unresolved,
    "dispute.opened": _dispute_opened,
    "dispute.closed": _dispute_closed,
    "invoice.issued": _invoice,
    "invoice.reminder": _reminder,
    "payment.received": _received,
    "card.expiring": _card,
    "endpoint.disabled": _disabled,
}
