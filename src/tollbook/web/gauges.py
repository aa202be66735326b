"""A wallet as a page shows it: one bar, one table row; and the message that keeps both moving.

The page and its stream print what `row` returns, so a bar never says one thing at load and another a second later.
A row is plain JSON: shares of the bar in percent of its width, amounts as decimal strings, `text` ready to print.
"""

from datetime import datetime
from decimal import Decimal

from tollbook.web import formats


def row(
    *,
    type: str,
    name: str,
    currency: str,
    balance: Decimal,
    held: Decimal,
    available: Decimal,
    used: Decimal,
    funded: Decimal | None,
    since: datetime | None,
    minimum: Decimal | None,
    runs_out: datetime | None,
    now: datetime,
) -> dict[str, object]:
    """One wallet, all amounts in `currency`.

    `used` is what was debited since the last funding, `funded` the balance right after it (None: never funded),
    `since` when that was, `minimum` the refill threshold (None: automatic refill is off), `runs_out` a forecast.
    The bar's shares are clamped to its ends; `used_percent` is not.
    """
    used_percent = used / funded * 100 if funded and funded > 0 else Decimal(0)
    used_share = _clamped(used_percent)
    return {
        "type": type,
        "name": name,
        "state": _state(available, balance, minimum, funded),
        "used_percent": float(round(used_percent, 2)),
        "used_share": float(used_share),
        "held_share": float(min(_share(held, funded), 100 - used_share)),
        "refill_mark": None if minimum is None or not funded else float(_clamped(100 - minimum / funded * 100)),
        "balance": str(balance),
        "available": str(available),
        "held": str(held),
        "funded": None if funded is None else str(funded),
        "since": since and since.isoformat(),
        "runs_out": runs_out and runs_out.isoformat(),
        "text": {
            "percent": f"{formats.percent(used_percent)} used",
            "left": _left(balance, funded, since, currency, now),
            "outlook": _outlook(balance, minimum, runs_out, currency, now),
            "held": f"{formats.money(held, currency)} held" if held else "",
            "balance": formats.money(balance, currency),
            "available": formats.money(available, currency),
            "note": {"low": "Low", "empty": "Used up"}.get(_state(available, balance, minimum, funded), ""),
        },
    }


def message(rows: list[dict[str, object]], as_of: datetime) -> dict[str, object]:
    """The data of one `gauges` event: the rows that changed (all of them on connecting) and when they were true."""
    return {"as_of": as_of.isoformat(), "as_of_text": formats.clock(as_of), "wallets": rows}


def _state(available: Decimal, balance: Decimal, minimum: Decimal | None, funded: Decimal | None) -> str:
    if funded is None:
        return "new" if balance >= 0 else "empty"
    if available <= 0:
        return "empty"
    return "low" if balance <= (funded / 10 if minimum is None else minimum) else "ok"


def _left(balance: Decimal, funded: Decimal | None, since: datetime | None, currency: str, now: datetime) -> str:
    if funded is None or since is None:
        return "No credit yet" if balance >= 0 else f"{formats.money(balance, currency)}, no credit yet"
    left, whole = formats.money(balance, currency), formats.money(funded, currency)
    return f"{left} left of {whole} since {formats.moment(since, now)}"


def _outlook(balance: Decimal, minimum: Decimal | None, runs_out: datetime | None, currency: str, now: datetime) -> str:
    if minimum is not None:
        return f"refills at {formats.money(minimum, currency)}"
    return f"runs out about {formats.about(runs_out, now)}" if runs_out and balance > 0 else ""


def _share(amount: Decimal, whole: Decimal | None) -> Decimal:
    return _clamped(amount / whole * 100) if whole and whole > 0 else Decimal(0)


def _clamped(share: Decimal) -> Decimal:
    return round(min(max(share, Decimal(0)), Decimal(100)), 3)
