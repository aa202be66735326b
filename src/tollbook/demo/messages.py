"""What is not a call: email, SMS, ringless voicemail, speech to text and AI conversations, in Tollbook's own format."""

import json
from datetime import datetime, timedelta
from typing import Any

from tollbook.demo.cast import Cast, number
from tollbook.demo.rhythm import Day

USUAL = {  # events of an ordinary weekday of an account whose share is 1
    "email": 150,
    "ringless_voicemail": 130,
    "speech_to_text": 150,
    "conversational_ai": 120,
    "sms": 360,
}
CAMPAIGN_KINDS = ("email", "ringless_voicemail", "sms")
INTENTS = ("opening-hours", "order-status", "balance", "reschedule", "speak-to-agent")


def rows(kind: str, cast: Cast, day: Day) -> list[tuple[datetime, bytes]]:
    """Every event of one kind on that day: when it was over, and its line."""
    moments = day.moments(USUAL[kind] * cast.share, bursts=kind in CAMPAIGN_KINDS)
    return [_row(kind, cast, day, index, at) for index, at in enumerate(moments)]


def _row(kind: str, cast: Cast, day: Day, index: int, at: datetime) -> tuple[datetime, bytes]:
    quantity, lasts, told = _told(kind, cast, day)
    event = {
        "id": f"{kind}-{day.on:%Y%m%d}-{index:05}",
        "account": cast.account,
        "type": kind,
        "quantity": str(quantity),
        "occurred_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    line = json.dumps(event | told, separators=(",", ":")).encode() + b"\n"
    return at + timedelta(seconds=lasts), line


def _told(kind: str, cast: Cast, day: Day) -> tuple[int, int, dict[str, Any]]:
    """The quantity in the kind's unit, how many seconds it took, and the rest of the event."""
    campaign, own = day.dice.choice(cast.campaigns), day.dice.choice(cast.own_numbers)
    to_somebody = {"to": number(day.dice), "from": own, "attributes": {"campaign": campaign}}
    if kind == "email":
        bulk = day.chance(0.2)
        sent = day.dice.randrange(40, 260) if bulk else 1
        return sent, 0, {"attributes": {"campaign": campaign if bulk else "transactional", "messages": sent}}
    if kind == "sms":
        return day.dice.choices((1, 2, 3), (70, 24, 6))[0], 0, to_somebody
    if kind == "ringless_voicemail":
        seconds = day.dice.randrange(18, 46)
        return seconds, seconds, to_somebody
    seconds = day.about_seconds(95, 0.6, least=6)
    agent = day.dice.choice(cast.agents).name
    if kind == "speech_to_text":
        return seconds, seconds, {"attributes": {"campaign": "service-line", "agent": agent, "language": "en-US"}}
    intent = day.dice.choice(INTENTS)
    attributes = {"campaign": "service-line", "agent": "iva-front-desk", "intent": intent}
    return seconds, seconds, {"to": own, "from": number(day.dice), "attributes": attributes}
