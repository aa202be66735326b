"""Webhook endpoints: add, change, rotate the secret, switch off and on, remove.

A secret is shown once, by whoever adds the endpoint or rotates it. After a rotation the one before stays valid for
`BOTH_VALID`, however often it is rotated meanwhile: messages carry a signature by each valid one, so that a receiver may
change over at any moment in between.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from tollbook.accounts.audit import Actor, note
from tollbook.alerts import address, kinds, secret
from tollbook.alerts.tables import Endpoint
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.postgres.ids import new_id

BOTH_VALID = timedelta(hours=24)
MOST_ENDPOINTS = 10
MOST_SECRETS = 6
"""Valid at once, the present one included: each is one more signature in the header of every message."""


def check(account_id: UUID, url: str, wanted: Collection[str], id: UUID | None = None) -> None:
    """Whether an endpoint could be added or changed so: reads only. Raises Invalid with the field, Conflict."""
    address.parse(url)
    if not _by_webhook(account_id, wanted):
        raise Invalid("Choose at least one kind of event.", field="kinds")
    others = present(account_id).exclude(id=id) if id else present(account_id)
    if others.filter(url=url).exists():
        raise Conflict("There is an endpoint with this address already.", field="url")
    if others.count() >= MOST_ENDPOINTS:
        raise Conflict(f"There are {MOST_ENDPOINTS} endpoints already.", field="url")


def add(
    account_id: UUID, url: str, wanted: Collection[str], actor: Actor, description: str = "", id: UUID | None = None
) -> tuple[Endpoint, str]:
    """Add an endpoint; answers it and its secret, which nobody can see again. In the caller's transaction or its own;
    audited. With an `id`, made by the caller before, a second call raises Conflict. Raises Invalid, Conflict."""
    if id and Endpoint.objects.filter(account_id=account_id, id=id).exists():
        raise Conflict("This endpoint was added before, and its secret was shown then. Rotate it if it was lost.")
    check(account_id, url, wanted)
    made = Endpoint(
        account_id=account_id,
        id=id or new_id(),
        url=url,
        description=description.strip()[:100],
        kinds=_by_webhook(account_id, wanted),
        created_by=actor.name,
        created_at=datetime.now(UTC),
    )
    shown = secret.of(account_id, made.id, 1)
    made.fingerprint = secret.fingerprint(shown)
    with transaction.atomic():
        made.save(force_insert=True)
        note(account_id, actor, "endpoint.add", _target(made), after={"url": url, "kinds": made.kinds})
    return made, shown


def change(
    account_id: UUID,
    id: UUID,
    url: str,
    wanted: Collection[str],
    actor: Actor,
    description: str = "",
    offered: Collection[str] | None = None,
) -> Endpoint:
    """Give an endpoint another address, other kinds, another description; its secret stays. Kinds that are not among
    `offered`, those the actor may choose, stay as they are, and then the address too. As `add`; and raises NotFound."""
    with transaction.atomic():
        endpoint = _locked(account_id, id)
        wanted = kinds.merged(account_id, endpoint.kinds, wanted, offered)
        check(account_id, url, wanted, id)
        if offered is not None and url != endpoint.url and not set(wanted) <= set(offered):
            raise Conflict("This endpoint gets events that you may not read; who may, can change its address.", field="url")
        before = {"url": endpoint.url, "kinds": endpoint.kinds, "description": endpoint.description}
        after = {"url": url, "kinds": _by_webhook(account_id, wanted), "description": description.strip()[:100]}
        changed = {name: value for name, value in after.items() if before[name] != value}
        if changed:
            _write(endpoint, **changed)
            told = {name: before[name] for name in changed}
            note(account_id, actor, "endpoint.change", _target(endpoint), before=told, after=changed)
    return endpoint


def rotate(account_id: UUID, id: UUID, generation: int, actor: Actor) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret, shown this once; the one before stays valid for `BOTH_VALID`. In the caller's
    transaction or its own; locks the endpoint; audited. `generation` is the one the person saw. Raises NotFound,
    Conflict."""
    with transaction.atomic():
        endpoint = _locked(account_id, id)
        if endpoint.generation != generation:
            raise Conflict("The secret was rotated meanwhile, and shown then. Rotate it again if it was lost.")
        shown, now = secret.of(account_id, id, generation + 1), datetime.now(UTC)
        earlier = _valid_before(endpoint, now)
        if len(earlier) + 2 > MOST_SECRETS:
            raise Conflict(f"{MOST_SECRETS} secrets are valid now. Rotate it again when the oldest has ended.")
        _write(
            endpoint,
            generation=generation + 1,
            fingerprint=secret.fingerprint(shown),
            previous_until_at=now + BOTH_VALID,
            earlier=[[number, until.isoformat()] for number, until in earlier],
        )
        note(account_id, actor, "endpoint.rotate", _target(endpoint), after={"secret": f"number {generation + 1}"})
    return endpoint, shown


def switch(account_id: UUID, id: UUID, is_on: bool, actor: Actor, reason: str = "") -> Endpoint:
    """Switch an endpoint off, or on again. In the caller's transaction or its own; locks the endpoint; audited; doing it
    twice does nothing. Raises NotFound."""
    with transaction.atomic():
        endpoint = _locked(account_id, id)
        if endpoint.is_on != is_on:
            _write(endpoint, is_on=is_on, off_reason="" if is_on else (reason or f"Switched off by {actor.name}.")[:300])
            note(account_id, actor, "endpoint.switch", _target(endpoint), after={"is_on": is_on}, reason=reason)
    return endpoint


def remove(account_id: UUID, id: UUID, actor: Actor) -> None:
    """Send nothing more there, for ever; what was sent stays in the log. Repeating it does nothing. Raises NotFound."""
    if known(account_id, id).removed_at is not None:
        return
    with transaction.atomic():
        endpoint = _locked(account_id, id)
        _write(endpoint, is_on=False, removed_at=datetime.now(UTC))
        note(account_id, actor, "endpoint.remove", _target(endpoint), before={"url": endpoint.url})


def present(account_id: UUID) -> QuerySet[Endpoint]:
    """The account's endpoints, or the operator's, oldest first."""
    return Endpoint.objects.filter(account_id=account_id, removed_at__isnull=True).order_by("id")


def find(account_id: UUID, id: UUID) -> Endpoint:
    """An endpoint that is not removed. Raises NotFound."""
    endpoint = present(account_id).filter(id=id).first()
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint


def known(account_id: UUID, id: UUID) -> Endpoint:
    """An endpoint, removed or not. Raises NotFound."""
    endpoint = Endpoint.objects.filter(account_id=account_id, id=id).first()
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint


def wanting(account_id: UUID, kind: str) -> list[Endpoint]:
    """The endpoints that want this kind, those that are switched off included."""
    return [one for one in present(account_id) if gets(one, kind)]


def gets(endpoint: Endpoint, kind: str) -> bool:
    """Whether this kind was chosen for the endpoint; a test is sent to any."""
    return kind == kinds.TEST or kind in kinds.listed(endpoint.account_id, endpoint.kinds)


def secrets_of(endpoint: Endpoint, now: datetime) -> list[str]:
    """The valid secrets, the present one first. Empty when the installation's key is not the one they were made with."""
    own = secret.of(endpoint.account_id, endpoint.id, endpoint.generation)
    if secret.fingerprint(own) != endpoint.fingerprint:
        return []
    before = [secret.of(endpoint.account_id, endpoint.id, number) for number, _ in _valid_before(endpoint, now)]
    return [own, *before]


def _valid_before(endpoint: Endpoint, now: datetime) -> list[tuple[int, datetime]]:
    """The generations before the present one whose secret is still valid, the newest first, and until when."""
    retired = [(number, datetime.fromisoformat(until)) for number, until in endpoint.earlier]
    if endpoint.previous_until_at is not None:
        retired.insert(0, (endpoint.generation - 1, endpoint.previous_until_at))
    return [(number, until) for number, until in retired if until > now]


def _by_webhook(account_id: UUID, wanted: Collection[str]) -> list[str]:
    known = kinds.of(account_id)
    return [code for code in kinds.listed(account_id, list(wanted)) if known[code].by_webhook]


def _locked(account_id: UUID, id: UUID) -> Endpoint:
    endpoint = present(account_id).select_for_update(no_key=True).filter(id=id).first()
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint


def _write(endpoint: Endpoint, **values: object) -> None:
    Endpoint.objects.filter(account_id=endpoint.account_id, id=endpoint.id).update(**values)
    for name, value in values.items():
        setattr(endpoint, name, value)


def _target(endpoint: Endpoint) -> str:
    return f"endpoint/{endpoint.id}"
