"""What became of a charge that was sent: by its key, and by its name once the gateway has told us of it."""

from uuid import UUID

from tollbook.payments import gateway
from tollbook.payments.gateway import ChargeAnswer, Unknown, Unreachable

LOST = Unknown("The gateway does not find a charge any more that it has told us of.")


def became(name: str, account_id: UUID, key: str, reference: str, *, was_told: bool) -> ChargeAnswer | None:
    """What became of the charge with this key; None only if the gateway never received it, for sure.

    `was_told`: the gateway has spoken of it before, under `reference` if that is not empty, so it did receive it: what
    its search does not find any more is asked for by name, and is `LOST` without. Not inside a transaction.
    """
    answer = gateway.look_up(name, account_id, key)
    if answer is not None or not was_told:
        return answer
    return _by_name(name, account_id, reference) if reference else LOST


def _by_name(name: str, account_id: UUID, reference: str) -> ChargeAnswer:
    try:
        charge = gateway.charged(name, reference)
    except (LookupError, Unreachable):
        return LOST
    return charge.answer if charge.account_id == account_id else LOST
