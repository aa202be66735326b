"""What the demo's operator charges: a default rate per kind of service, and a small deck of outbound prefixes."""

from datetime import UTC, datetime
from decimal import Decimal

from tollbook.accounts.audit import OPERATOR_ID, Actor
from tollbook.rating.set_rate import NewRate, set_rate
from tollbook.rating.tables import Rate

SINCE = datetime(2020, 1, 1, tzinfo=UTC)

# type, prefix, cents per unit, initial seconds, step seconds, what it is
RATES = [
    ("email", "", "0.08", 1, 1, "Email, each"),
    ("ringless_voicemail", "", "2.40", 30, 6, "Ringless voicemail"),
    ("speech_to_text", "", "1.60", 15, 15, "Transcription, in blocks of 15 s"),
    ("conversational_ai", "", "7.50", 1, 1, "Conversational AI"),
    ("sms", "", "0.79", 1, 1, "SMS segment"),
    ("inbound", "", "0.85", 6, 6, "Inbound, local and toll-free"),
    ("outbound", "", "1.20", 6, 6, "Outbound, rest of the world"),
    ("outbound", "1", "1.20", 6, 6, "United States and Canada"),
    ("outbound", "1212", "0.95", 6, 6, "New York"),
    ("outbound", "1907", "4.90", 30, 6, "Alaska"),
    ("outbound", "44", "1.85", 1, 1, "United Kingdom"),
    ("outbound", "447", "3.10", 1, 1, "United Kingdom, mobile"),
    ("outbound", "52", "2.20", 30, 6, "Mexico"),
]


def give_rates(actor: Actor) -> None:
    """Give the default rates that are not there yet; safe to repeat."""
    known = set(Rate.objects.filter(account_id=OPERATOR_ID).values_list("type_code", "prefix"))
    for type_code, prefix, cents, initial, step, description in RATES:
        if (type_code, prefix) not in known:
            new = NewRate(
                type_code=type_code,
                prefix=prefix,
                description=description,
                rate_cents=Decimal(cents),
                initial_seconds=initial,
                increment_seconds=step,
                valid_from=SINCE,
            )
            set_rate(new, actor)
