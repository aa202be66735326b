"""What the pages about one wallet share."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.urls import reverse
from django.utils.http import urlencode

from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.usage.statement import Used
from tollbook.wallets.gauge import Gauge, gauges
from tollbook.web import formats
from tollbook.web.portal import words
from tollbook.web.portal.page import PortalRequest

SIZE, SIZES = 50, ("25", "50", "100")


def gauge_of(account: Account, type_code: str) -> Gauge:
    """The account's gauge of this type. Raises NotFound for a type that is not shown to this account."""
    for gauge in gauges(account.id):
        if gauge.type_code == type_code:
            return gauge
    raise NotFound("There is no such credit type.")


def head(request: PortalRequest, gauge: Gauge) -> dict[str, Any]:
    """What every page below a wallet needs."""
    return {"gauge": gauge, "currency": gauge.currency, "wallet_url": reverse("portal:wallet", args=[gauge.type_code])}


def paged(rows: Sequence[Any], request: PortalRequest) -> Page:
    """The page of `rows` that is asked for; a page or a size that makes no sense is the first or the usual."""
    size = request.GET.get("rows", "")
    return Paginator(rows, int(size) if size in SIZES else SIZE).get_page(request.GET.get("page"))


def event_rows(events: Sequence[Used], gauge: Gauge) -> list[dict[str, Any]]:
    """Events as the rows of a table."""
    written = formats.aligned_money((used.cost for used in events), gauge.currency)
    return [
        {
            "used": used,
            "url": event_address(gauge.type_code, used.id),
            "quantity": words.quantity(used.quantity, gauge.unit),
            "billed": words.quantity(used.billed, gauge.unit),
            "cost": written(used.cost),
        }
        for used in events
    ]


def event_address(type_code: str, event_id: str) -> str:
    """Where one event is shown. Its id is in the query, because it may hold any character."""
    return f"{reverse('portal:event', args=[type_code])}?{urlencode({'id': event_id})}"


def signed(amount: Decimal, written: Callable[[Decimal], str]) -> str:
    """`+$500.00`, `−$0.0132`."""
    return ("+" if amount > 0 else "") + written(amount)
