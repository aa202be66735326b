"""A notice as a message, in text and HTML, and its way through the operator's mail server."""

import logging
import smtplib
from email.headerregistry import Address
from email.utils import parseaddr
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import DatabaseError, connection
from django.template.loader import render_to_string

from tollbook.accounts.tables import Account
from tollbook.alerts import words
from tollbook.alerts.post import Answer
from tollbook.alerts.tables import Notice
from tollbook.invoicing import file
from tollbook.payments.receipt import receipt_pdf

PERMANENT, ABOUT_LOGIN = range(500, 600), range(530, 540)
"""SMTP's answers that repeating changes nothing about, if they are about the recipient or the message; but for those that
are about us."""


LARGEST_ATTACHED = 5_000_000
"""Bytes of a PDF that goes with a mail; larger ones are only on their page."""

log = logging.getLogger(__name__)

_REFUSED = "The mail server refused to talk to us."
_REFUSED_US: dict[type[Exception], str] = {
    smtplib.SMTPAuthenticationError: "The mail server refused our user or password.",
    smtplib.SMTPSenderRefused: "The mail server refused our sender's address.",
}
"""What is wrong with the settings or the server, not with this mail: repeated, so that nothing is lost once it is mended."""


def compose(notice: Notice, account: Account | None, to: str, delivery_id: UUID) -> EmailMultiAlternatives:
    """The message. Its id is the delivery's: sent twice, mail programs show it once."""
    reader = words.reader_of(account)
    said = words.message(notice, reader)
    context = {
        "said": said,
        "sentences": [sentence for sentence in said.sentences if sentence],
        "address": words.address(said.path),
        "choose": words.address("/billing/alerts/" if account else "/desk/alerts/"),
        "account": account,
        "operator": settings.OPERATOR,
        "frame": words.frame(reader),
    }
    domain = _domain(parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
    message = EmailMultiAlternatives(
        subject=_one_line(f"{said.title} · {account.name}" if account else said.title),
        body=render_to_string("tollbook/mail/notice.txt", context),
        to=[to],
        headers={"Message-ID": f"<{delivery_id}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("tollbook/mail/notice.html", context), "text/html")
    _attach(message, notice)
    return message


def _attach(message: EmailMultiAlternatives, notice: Notice) -> None:
    """The PDF as every download has it. A mail that comes without it is better than none: its page has it."""
    try:
        name, content = _document(notice)
    except DatabaseError:
        raise
    except Exception:
        log.exception("alerts: the document of %s could not be attached", notice.subject)
        return
    if 0 < len(content) <= LARGEST_ATTACHED:
        message.attach(name, content, "application/pdf")


def _document(notice: Notice) -> tuple[str, bytes]:
    """What goes with the mail: an invoice, a receipt, or nothing."""
    if notice.kind in ("invoice.issued", "invoice.reminder"):
        number = notice.data["invoice"]
        return f"{number}.pdf", file.pdf(notice.account_id, number)
    if notice.kind == "payment.received":
        payment_id = UUID(notice.subject.removeprefix("payment/"))
        return f"receipt-{payment_id}.pdf", receipt_pdf(notice.account_id, payment_id)
    return "", b""


def send(message: EmailMultiAlternatives) -> Answer:
    """Hand the message to the mail server; never raises for what that does. `status` is SMTP's code; 250 when it was taken.
    Raises RuntimeError inside a transaction."""
    if connection.in_atomic_block:
        raise RuntimeError("mail must not be sent inside a database transaction")
    if not settings.EMAIL_HOST:
        return Answer(550, "No mail server is set up, so no mail is sent.", is_final=True)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as refused:
        code, said = next(iter(refused.recipients.values()))
        return Answer(code, "The mail server refused this address.", _text(said), is_final=_is_permanent(code))
    except smtplib.SMTPDataError as refused:
        final = _is_permanent(refused.smtp_code)
        return Answer(refused.smtp_code, "The mail server refused the message.", _text(refused.smtp_error), is_final=final)
    except smtplib.SMTPResponseException as refused:
        return Answer(refused.smtp_code, _REFUSED_US.get(type(refused), _REFUSED), _text(refused.smtp_error))
    except (smtplib.SMTPException, OSError) as error:
        return Answer(None, f"The mail server could not be reached: {type(error).__name__}.")
    return Answer(250, "The mail server took it.")


def _is_permanent(code: int) -> bool:
    return code in PERMANENT and code not in ABOUT_LOGIN


def was_taken(answer: Answer) -> bool:
    """Whether the mail server has it now."""
    return answer.status is not None and 200 <= answer.status < 300


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return "".join(letter if letter.isprintable() else " " for letter in text)[:500]


def _domain(address: str) -> str:
    try:
        return Address(addr_spec=address).domain or "localhost"
    except ValueError:
        return "localhost"


def _one_line(text: str) -> str:
    return " ".join(text.split())

