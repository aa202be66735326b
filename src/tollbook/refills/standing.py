"""How each wallet's refills stand: its rule, why it is stopped, what is under way. Read only, one query for all of them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from tollbook.postgres.named import load
from tollbook.refills.tables import OPEN_STATES, RefillState

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Amounts in the account's currency. `refill_amount` is None without a rule; `minimum` is the rule's, whether it is
    automatic or not; the stop's fields are empty when nothing stops it, the open refill's None when none is open.
    """

    automatic: bool
    refill_amount: Decimal | None
    minimum: Decimal | None
    stop: str
    stopped_at: datetime | None
    stopped_until: datetime | None
    open_amount: Decimal | None
    open_state: RefillState | None

    @property
    def threshold(self) -> Decimal | None:
        """The balance at which it refills itself; None when it does not."""
        return self.minimum if self.automatic else None


NO_RULE = Standing(False, None, None, "", None, None, None, None)


def standings(account_id: UUID) -> dict[UUID, Standing]:
    """How the refills of the account's wallets stand, by wallet id."""
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["standings"], {"account_id": account_id, "open_states": [state.value for state in OPEN_STATES]}
        )
        rows = cursor.fetchall()
    return {wallet_id: Standing(*[*values, state and RefillState(state)]) for wallet_id, *values, state in rows}
