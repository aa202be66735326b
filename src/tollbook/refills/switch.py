"""The operator's kill switch: one row that stops every refill of the installation, read when money would move."""

from datetime import UTC, datetime

from django.db import transaction

from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.errors import Invalid
from tollbook.refills.tables import OperatorSwitch

NAME = "refills"


def turn(is_on: bool, reason: str, actor: Actor) -> None:
    """Switch refills off, or on again; by a person, with a reason. Own transaction; audited. Raises Invalid."""
    if not reason.strip():
        raise Invalid("Say why: the reason is shown to every customer whose wallet waits.", field="reason")
    with transaction.atomic():
        before = is_refilling()
        OperatorSwitch.objects.update_or_create(
            name=NAME,
            defaults={"is_on": is_on, "reason": reason.strip(), "set_by": actor.name, "set_at": datetime.now(UTC)},
        )
        told = {"is_on": before}
        note(OPERATOR_ID, actor, "refills.switch", "switch/refills", before=told, after={"is_on": is_on}, reason=reason)


def is_refilling() -> bool:
    """Whether refills are on; they are until somebody switches them off."""
    switch = OperatorSwitch.objects.filter(name=NAME).first()
    return switch is None or switch.is_on
