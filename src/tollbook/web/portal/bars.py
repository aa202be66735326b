"""The rows of the Minutes/Credits page, the same for the page itself and for its stream."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.urls import reverse

from tollbook.accounts.tables import Account
from tollbook.refills.standing import NO_RULE, Standing, standings
from tollbook.usage.pace import NO_PACE, Pace, paces
from tollbook.wallets.gauge import Gauge, gauges
from tollbook.web import formats
from tollbook.web import gauges as shown

Row = dict[str, Any]


def rows(account: Account, now: datetime, known_paces: Mapping[str, Pace] | None = None) -> list[Row]:
    """A row for each wallet as it is now, ready to print, in three queries (two with paces that are known).

    The account's time zone must be the current one.
    """
    standing = standings(account.id)
    pace = paces(account.id, now) if known_paces is None else known_paces
    return [
        row(gauge, standing.get(gauge.wallet_id, NO_RULE) if gauge.wallet_id else NO_RULE, pace, now)
        for gauge in gauges(account.id)
    ]


def row(gauge: Gauge, standing: Standing, pace: Mapping[str, Pace], now: datetime) -> Row:
    """One wallet, ready to print."""
    out = pace.get(gauge.type_code, NO_PACE).runs_out(gauge.balance, now)
    made = shown.row(
        type=gauge.type_code,
        name=gauge.name,
        currency=gauge.currency,
        balance=gauge.balance,
        held=gauge.held,
        available=gauge.available,
        used=gauge.used,
        funded=gauge.funded if gauge.since else None,
        since=gauge.since,
        minimum=standing.threshold,
        runs_out=out,
        now=now,
    )
    made["url"] = reverse("portal:wallet", args=[gauge.type_code])
    made["stop"] = standing.stop
    text: dict[str, str] = made["text"]  # type: ignore[assignment]
    text |= {
        "held_figure": formats.money(gauge.held, gauge.currency),
        "runs_out": formats.about(out, now) if out else "",
        "refill_amount": formats.money(standing.refill_amount, gauge.currency),
        "minimum": formats.money(standing.minimum, gauge.currency),
        "automatic": "off" if standing.refill_amount is not None and not standing.automatic else "",
        "stop": standing.stop,
    }
    if standing.open_amount is not None:
        text["outlook"] = f"refilling {formats.money(standing.open_amount, gauge.currency)}"
    elif standing.stop:
        text["outlook"] = "refill stopped"
    return made
