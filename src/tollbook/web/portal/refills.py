"""A wallet's refills: its rule in plain words, why it is stopped, what happened."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tollbook.accounts import audit
from tollbook.accounts.tables import Account, Area
from tollbook.payments import method
from tollbook.refills import history, rule
from tollbook.refills.history import Row
from tollbook.refills.tables import RefillRule, RefillState
from tollbook.wallets.gauge import Gauge
from tollbook.web.portal.about_wallet import gauge_of, head
from tollbook.web.portal.page import PortalRequest, page

SHOWN, SIZE = 5, 50
TONES = {
    RefillState.SUCCEEDED: ("good", "✓"),
    RefillState.DECLINED: ("bad", "×"),
    RefillState.ACTION_REQUIRED: ("warn", "!"),
    RefillState.UNKNOWN: ("warn", "?"),
    RefillState.WITHDRAWN: ("", "○"),
}
WORDS = {
    RefillState.DECIDED: "Waiting",
    RefillState.UNKNOWN: "Being found out",
    RefillState.ACTION_REQUIRED: "Needs you",
}


def section(request: PortalRequest, gauge: Gauge) -> dict[str, Any]:
    """The refill part of the wallet's page."""
    if gauge.wallet_id is None:
        return {}
    account, stored = request.account, rule.of_wallet(request.account.id, gauge.wallet_id)
    card = method.default_of(account.id)
    may_read = request.rights[Area.PAYMENTS].read
    rows = history.of_wallet(account.id, gauge.wallet_id, SHOWN) if may_read else []
    return {
        "rule": stored,
        "rule_sentence": rule.sentence(stored, account, gauge.type_code, card) if stored else "",
        "is_tripped": bool(stored and stored.tripped_at),
        "may_change": request.rights[Area.PAYMENTS].write,
        "may_read": may_read,
        "support": settings.OPERATOR["email"],
        "refills": [shown(row) for row in rows],
        "turned": _turned(stored) if stored else {},
        "asked": _asked(rows, request.GET.get("asked", "")),
    } | _receipt(account, gauge.type_code, stored, request.GET.get("changed", ""))


def shown(row: Row) -> dict[str, Any]:
    """One refill as a row of a table."""
    tone, sign = TONES.get(row.state, ("", "•"))
    word = WORDS.get(row.state, row.state.label)
    return {"refill": row, "word": word, "tone": tone, "sign": sign, "result": row.result if row.result != word else ""}


@page(area=Area.PAYMENTS)
def refills(request: PortalRequest, type_code: str) -> HttpResponse:
    """All refills of a wallet, newest first."""
    gauge = gauge_of(request.account, type_code)
    before = _id(request.GET.get("before", ""))
    rows = history.of_wallet(request.account.id, gauge.wallet_id, SIZE + 1, before) if gauge.wallet_id else []
    context = head(request, gauge) | {
        "refills": [shown(row) for row in rows[:SIZE]],
        "older_url": f"?before={rows[SIZE - 1].id}" if len(rows) > SIZE else "",
        "newer_url": "?" if before else "",
    }
    return render(request, "tollbook/portal/credits/refill_list.html", context)


def _turned(stored: RefillRule) -> dict[str, Any]:
    """What the switch posts to the review: the rule as it is, but for being automatic."""
    same = rule.told_of(rule.rule_of(stored))
    return {**same, "automatic": "" if stored.automatic else "on", "version": stored.version}


def _asked(rows: list[Row], id: str) -> str:
    """What became of the refill that was asked for a moment ago."""
    return next((row.state.value for row in rows if str(row.id) == id), "")


def _receipt(account: Account, type_code: str, stored: RefillRule | None, version: str) -> dict[str, Any]:
    """The line after a change, with what it takes to review the way back; nothing once there was another change."""
    if stored is None or version != str(stored.version):
        return {}
    lines = audit.trail(account.id).filter(target=f"wallet/{type_code}", action="refill_rule.change")
    entry = lines.first()
    if entry is None or entry.after is None:
        return {}
    back = {**(entry.before or {**entry.after, "automatic": False}), "version": stored.version}
    back["automatic"] = "on" if back["automatic"] else ""
    return {"changed_by": entry.actor_name, "changed_at": entry.at, "back": back}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


urls = [path("billing/credits/<slug:type_code>/refills/", refills, name="refills")]
