"""Where payment gateways tell what happened: verified, stored, acknowledged; looked into afterwards by the worker."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import ClientException, NotFoundException

from tollbook.payments import inbox
from tollbook.payments.gateway import NotGenuine, NotOffered
from tollbook.web.intake import TooLarge

LARGEST = 512 * 1024
FORGED = "This is not signed as the gateway signs, or the time of the signature is off by more than 5 minutes."


class Taken(msgspec.Struct):
    """The event is stored; it need not be sent again."""

    received: bool = True


@post("/api/v1/gateways/{name:str}/webhook", status_code=200)
async def take_webhook(request: Request[Any, Any, Any], name: str) -> Taken:
    """Needs no key but the gateway's signature; without it nothing is stored, and no database is asked."""
    body = await request.body()
    if len(body) > LARGEST:
        raise TooLarge
    try:
        event = inbox.take(name, dict(request.headers.items()), body)
    except NotOffered as error:
        raise NotFoundException from error
    except NotGenuine as error:
        raise ClientException(FORGED) from error
    await sync_to_thread(inbox.store, name, event)
    return Taken()
