"""Where payment gateways tell what happened: verified, stored, acknowledged; looked into afterwards by the worker."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request, post
from litestar.exceptions import ClientException, NotFoundException

from tollbook.payments import inbox
from tollbook.payments.gateway import GatewayEvent, NotGenuine, NotOffered
from tollbook.postgres.gather import Gatherer
from tollbook.web.api.gathered import Reply, outcome
from tollbook.web.intake import TooLarge

LARGEST = 512 * 1024
TEMPLATE = "/api/v1/gateways/{name}/webhook"
_BEFORE, _AFTER = TEMPLATE.split("{name}")
FORGED = "This is not signed as the gateway signs, or the time of the signature is off by more than 5 minutes."
Told = tuple[str, GatewayEvent]


class Taken(msgspec.Struct):
    """The event is stored; it need not be sent again."""

    received: bool = True


@post("/api/v1/gateways/{name:str}/webhook", status_code=200, request_max_body_size=LARGEST)
async def take_webhook(request: Request[Any, Any, Any], name: str) -> Taken:
    """Needs no key but the gateway's signature; without it nothing is stored, and no database is asked."""
    await taken(name, dict(request.headers.items()), await request.body())
    return Taken()


async def taken(name: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """The same past the framework: one verification, and one insert, which it shares with others that wait."""
    if len(body) > LARGEST:
        raise TooLarge
    try:
        event = inbox.take(name, headers, body)
    except NotOffered as error:
        raise NotFoundException from error
    except NotGenuine as error:
        raise ClientException(FORGED) from error
    await outcome(_waiting, (name, event))
    return Reply(200, msgspec.json.encode(Taken()))


def named_in(path: str) -> str | None:
    """The gateway's name in the address of its webhooks; None in any other address."""
    path = path.removesuffix("/")
    name = path.removeprefix(_BEFORE).removesuffix(_AFTER)
    return name if path == f"{_BEFORE}{name}{_AFTER}" and name and "/" not in name else None


def _store(told: Sequence[Told]) -> list[None]:
    inbox.store_all(told)
    return [None] * len(told)


_waiting: Gatherer[Told, None] = Gatherer("webhooks", _store, threads=1, most=200, room=2_000)
