"""The delivery log: what was sent to whom and what became of it; send again; send a test."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from tollbook.accounts.audit import Actor, note
from tollbook.alerts import endpoint, kinds, notify
from tollbook.alerts.tables import Channel, Delivery, DeliveryAttempt, DeliveryState, Notice
from tollbook.errors import Conflict, NotFound
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Opened:
    """One delivery with its notice and its tries, the newest first."""

    delivery: Delivery
    notice: Notice
    attempts: list[DeliveryAttempt]


def deliveries(
    account_id: UUID, channel: str = "", state: str = "", recipient: str = "", hidden: Collection[str] = ()
) -> QuerySet[Delivery]:
    """The account's deliveries, or the operator's, newest first; those of a channel, a state, a recipient when named;
    without those about the `hidden` kinds."""
    rows = Delivery.objects.filter(account_id=account_id).order_by("-made_at", "-id")
    if hidden:
        about = Notice.objects.filter(account_id=account_id, id=OuterRef("notice_id"), kind__in=list(hidden))
        rows = rows.filter(~Exists(about))
    wanted = {"channel": channel, "state": state, "recipient": recipient}
    return rows.filter(**{name: value for name, value in wanted.items() if value})


def notices(account_id: UUID, rows: list[Delivery]) -> dict[UUID, Notice]:
    """The notices that these deliveries carry."""
    found = Notice.objects.filter(account_id=account_id, id__in={row.notice_id for row in rows})
    return {notice.id: notice for notice in found}


def find(account_id: UUID, id: UUID, hidden: Collection[str] = ()) -> Opened:
    """One delivery. Raises NotFound, also for one about a `hidden` kind."""
    delivery = Delivery.objects.filter(account_id=account_id, id=id).first()
    if delivery is None:
        raise NotFound("There is no such delivery.")
    notice = Notice.objects.get(account_id=account_id, id=delivery.notice_id)
    if notice.kind in hidden:
        raise NotFound("There is no such delivery.")
    attempts = DeliveryAttempt.objects.filter(account_id=account_id, delivery_id=id).order_by("-attempt")[:50]
    return Opened(delivery, notice, list(attempts))


def send_again(account_id: UUID, id: UUID, actor: Actor, hidden: Collection[str] = ()) -> None:
    """Let a delivery that ended be sent once more, under the same id and by the same schedule. In the caller's transaction
    or its own, as engine or portal; audited. Raises NotFound as `find`, and Conflict while it waits anyway or its endpoint
    is off."""
    with transaction.atomic():
        delivery = find(account_id, id, hidden).delivery
        if delivery.channel == Channel.WEBHOOK and not endpoint.find(account_id, UUID(delivery.recipient)).is_on:
            raise Conflict("The endpoint is switched off. Switch it on first.")
        with connection.cursor() as cursor:
            cursor.execute(SQL["send_again"], {"account_id": account_id, "id": id})
            if not cursor.rowcount:
                raise Conflict("This is waiting to be sent anyway.")
        note(account_id, actor, "alert.send_again", f"delivery/{id}")


def missed(account_id: UUID, endpoint_id: UUID, hidden: Collection[str] = ()) -> int:
    """How many events never arrived at an endpoint: those that happened while it was off, and those that were given up."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["missed"], _of_endpoint(account_id, endpoint_id, hidden))
        return cursor.fetchone()[0]


def send_missed(account_id: UUID, endpoint_id: UUID, actor: Actor, hidden: Collection[str] = ()) -> int:
    """Let everything that never arrived at an endpoint be sent now, the oldest first, as `send_again` does; answers how
    much. In the caller's transaction or its own; audited. Without the `hidden` kinds. Raises NotFound, Conflict while the
    endpoint is off."""
    with transaction.atomic():
        if not endpoint.find(account_id, endpoint_id).is_on:
            raise Conflict("The endpoint is switched off. Switch it on first.")
        with connection.cursor() as cursor:
            cursor.execute(SQL["send_missed"], _of_endpoint(account_id, endpoint_id, hidden))
            sent = cursor.rowcount
        if sent:
            note(account_id, actor, "endpoint.send_missed", f"endpoint/{endpoint_id}", after={"deliveries": sent})
    return sent


def _of_endpoint(account_id: UUID, endpoint_id: UUID, hidden: Collection[str]) -> dict[str, object]:
    to = endpoint.find(account_id, endpoint_id)
    wanted = [code for code in kinds.listed(account_id, to.kinds) if code not in hidden]
    return {"account_id": account_id, "endpoint": str(endpoint_id), "kinds": wanted}


def test(account_id: UUID, endpoint_id: UUID, actor: Actor) -> UUID:
    """Send an endpoint a test event; answers the delivery. In the caller's transaction or its own; audited. Raises NotFound,
    Conflict when the endpoint is off."""
    to = endpoint.find(account_id, endpoint_id)
    if not to.is_on:
        raise Conflict("The endpoint is switched off. Switch it on first.")
    now, made = datetime.now(UTC), new_id()
    data = {"message": "This is a test.", "asked_by": actor.name, "endpoint": str(endpoint_id)}
    with transaction.atomic():
        Notice.objects.create(
            account_id=account_id, id=made, kind=kinds.TEST, subject=f"endpoint/{endpoint_id}", crossing=str(made),
            occurred_at=now, made_at=now, data=data,
        )  # fmt: skip
        notify.deliver_to(account_id, made, [(Channel.WEBHOOK, str(endpoint_id))])
        note(account_id, actor, "endpoint.test", f"endpoint/{endpoint_id}")
    return Delivery.objects.values_list("id", flat=True).get(account_id=account_id, notice_id=made)


def is_finished(delivery: Delivery) -> bool:
    """Whether it can be sent again by hand."""
    return delivery.state != DeliveryState.WAITING
