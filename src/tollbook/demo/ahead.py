"""What the demo's customers agreed on for later: more seats, a pause, a last day, a least sum."""

from datetime import date, timedelta
from decimal import Decimal
from uuid import NAMESPACE_URL, UUID, uuid5

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import Actor
from tollbook.accounts.tables import Account
from tollbook.money.period import period_number, period_of
from tollbook.subscriptions import change, commitment
from tollbook.subscriptions.change import Wanted
from tollbook.subscriptions.tables import ChangeKind, Commitment, Subscription, SubscriptionChange

SEATS = Decimal(48)
LEAST = Decimal(150)


def agree(accounts: dict[str, Account], actor: Actor) -> None:
    """Northwind takes more seats from its next billing day on; Contoso pauses its numbers, leaves in two months, and agrees
    to a minimum until then. Safe to repeat."""
    northwind, contoso = accounts["northwind"], accounts["contoso"]
    today = today_in(contoso)
    seats = Wanted(ChangeKind.QUANTITY, _next_billing_day(northwind), quantity=SEATS)
    _change(northwind, "agent-seat", seats, actor)
    _change(contoso, "phone-number", Wanted(ChangeKind.PAUSE, today), actor)
    last_on = today + timedelta(days=60)
    _change(contoso, "agent-seat", Wanted(ChangeKind.END, last_on + timedelta(days=1), until_on=last_on), actor)
    if not Commitment.objects.filter(account_id=contoso.id).exists():
        commitment.agree(contoso, LEAST, _next_billing_day(contoso), actor, ends_on=last_on)


def _next_billing_day(account: Account) -> date:
    running = period_of(account.anchor_on, today_in(account))
    return period_number(account.anchor_on, running.index + 1).start_on


def _change(account: Account, code: str, wanted: Wanted, actor: Actor) -> None:
    row = Subscription.objects.get(account_id=account.id, component_code=code)
    if not SubscriptionChange.objects.filter(account_id=account.id, id=_id(row.id)).exists():
        change.make(account, row.id, wanted, actor, _id(row.id))


def _id(subscription_id: UUID) -> UUID:
    return uuid5(NAMESPACE_URL, f"demo:{subscription_id}")
