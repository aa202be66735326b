"""When a payment that was sent is asked about again, when it is ended, and when a person is asked."""

from datetime import timedelta

from tollbook.payments.gateway import TIMEOUT_SECONDS

LEASE = timedelta(seconds=TIMEOUT_SECONDS + 10)
"""Who speaks to the gateway is left alone for this long: longer than any call takes. What a dead process left is taken up
then, however often that happens."""

PAUSES = (timedelta(seconds=4), timedelta(seconds=30), timedelta(minutes=5))
USUAL_PAUSE = timedelta(hours=1)
"""After a charge without an answer, after the first question and after the second; then always the last."""

CONFIRM_WITHIN = timedelta(hours=24)
"""How long a card's holder has to confirm a charge, or to pay on the gateway's page."""

SHORT_WAIT, LONG_WAIT = timedelta(minutes=1), timedelta(minutes=15)
"""How often what waits for its payer is looked at: every minute at first, then less and less."""

PERSON_AFTER = timedelta(hours=1)
"""What nobody can tell of for so long, or can't be ended, waits at the desk for a person."""


def pause_after(asks: int) -> timedelta:
    """How long to wait before a charge that nobody could tell of is asked about again, after so many questions."""
    return PAUSES[asks] if asks < len(PAUSES) else USUAL_PAUSE


def pause_for_payer(age: timedelta, left: timedelta) -> timedelta:
    """How long until somebody looks whether the payer came, so long after it was sent, `left` before its time is over."""
    return max(min(max(age, SHORT_WAIT), LONG_WAIT, left), timedelta(seconds=4))
