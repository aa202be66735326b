"""What tests tell the gateway: JSON over /_control, without a key, from this machine only.

    GET  /_control                      what is going on: clock, requests by answer, faults injected, webhooks, objects
    POST /_control/clock                {"advance": seconds}
    POST /_control/plan                 the fault plan (see `faults`)
    POST /_control/webhooks             the settings of webhooks (see `webhooks.Settings`)
    POST /_control/webhooks/release     send what the mode mute kept back; {"again": true} keeps it for another time
    POST /_control/webhooks/send        {"event": "evt_...", "times": 1}
    POST /_control/limits               {"per_second", "search_per_second", "search_lag_seconds", "async_seconds"}
    POST /_control/cards/<pm_...>       {"card": "pm_card_...", "exp_month", "exp_year"}: behave as that card from now on
    POST /_control/checkout/<cs_...>    {"card": "pm_card_..."}: what a holder does on the hosted page; answers {"url"}
    POST /_control/authenticate/<pi_/seti_...>  {"agreed": true}: what a holder does on the bank's page
    POST /_control/disputes             {"charge" or "payment_intent", "reason", "amount"}: a holder disputes
    POST /_control/disputes/<du_...>    {"outcome": "won" | "lost"}
    POST /_control/refunds/<re_...>     {"status": "succeeded" | "failed"}
"""

import json
from collections.abc import Callable
from typing import Any

from tests.gateway import cards, checkout, disputes, errors, intents, refunds, setups
from tests.gateway.books import Object
from tests.gateway.calls import render
from tests.gateway.desk import Answer, Desk, Request


def answer(desk: Desk, request: Request) -> Answer:
    """Do as told; 400 with the reason when that makes no sense."""
    what, _, reference = request.path.removeprefix("/_control").strip("/").partition("/")
    try:
        told = json.loads(request.body or "{}")
        result = COMMANDS[what](desk, reference, told)
    except (KeyError, TypeError, ValueError) as error:
        return _answer(400, {"error": f"{type(error).__name__}: {error}"})
    except errors.Refusal as refusal:
        return _answer(refusal.status, refusal.body())
    return _answer(200, result)


def _told(desk: Desk, reference: str, told: dict[str, Any]) -> dict[str, Any]:
    with desk.books.lock:
        objects = {kind: len(ids) for kind, ids in desk.books.kinds.items()}
    return {
        "now": desk.clock.now(), "ahead": desk.clock.ahead, "requests": dict(desk.requests), "plan": desk.plan.told(),
        "webhooks": desk.sender.told(), "objects": objects,
    }


def _clock(desk: Desk, reference: str, told: dict[str, Any]) -> dict[str, Any]:
    desk.books.advance(float(told["advance"]))
    return {"now": desk.clock.now()}


def _plan(desk: Desk, reference: str, told: dict[str, Any]) -> dict[str, Any]:
    desk.plan.set(told)
    return desk.plan.told()


def _webhooks(desk: Desk, reference: str, told: dict[str, Any]) -> dict[str, Any]:
    if reference == "release":
        return {"released": desk.sender.release(bool(told.get("again")))}
    if reference == "send":
        desk.sender.send(render(desk.books, desk.books.find("event", told["event"])), int(told.get("times", 1)))
    else:
        desk.sender.set(told)
    return desk.sender.told()


def _limits(desk: Desk, reference: str, told: dict[str, Any]) -> dict[str, Any]:
    desk.limiter.per_second = int(told.pop("per_second", desk.limiter.per_second))
    desk.search_limiter.per_second = int(told.pop("search_per_second", desk.search_limiter.per_second))
    desk.books.search_lag_seconds = float(told.pop("search_lag_seconds", desk.books.search_lag_seconds))
    desk.async_seconds = float(told.pop("async_seconds", desk.async_seconds))
    if told:
        raise ValueError(f"there is no limit {', '.join(told)}")
    return {}


def _cards(desk: Desk, reference: str, told: dict[str, Any]) -> Object:
    with desk.change() as call:
        method = call.books.find("payment_method", reference)
        method["_card"] = cards.BY_TOKEN[told["card"]].token if "card" in told else method["_card"]
        method["card"] |= {name: told[name] for name in ("exp_month", "exp_year") if name in told}
        call.books.touch(call.change, method)
        return dict(render(call.books, method))


def _checkout(desk: Desk, reference: str, told: dict[str, Any]) -> dict[str, Any]:
    with desk.change() as call:
        session = call.books.find("checkout.session", reference)
        return {"url": checkout.submit(call, session, cards.BY_TOKEN[told["card"]], None, None)}


def _authenticate(desk: Desk, reference: str, told: dict[str, Any]) -> Object:
    with desk.change() as call:
        intent = call.books.objects[reference]
        act = setups.authenticated if intent["object"] == "setup_intent" else intents.authenticated
        act(call, intent, bool(told.get("agreed", True)))
        if session := call.books.objects.get(intent.get("_session", "")):
            checkout.finish(call, session)
        return dict(render(call.books, intent))


def _disputes(desk: Desk, reference: str, told: dict[str, Any]) -> Object:
    with desk.change() as call:
        if reference:
            dispute = call.books.find("dispute", reference)
            disputes.end(call, dispute, told["outcome"])
        else:
            charge = told.get("charge") or call.books.find("payment_intent", told["payment_intent"])["latest_charge"]
            dispute = disputes.begin(
                call, call.books.find("charge", charge), told.get("reason", "fraudulent"), told.get("amount")
            )
        return dict(render(call.books, dispute))


def _refunds(desk: Desk, reference: str, told: dict[str, Any]) -> Object:
    with desk.change() as call:
        refund = call.books.find("refund", reference)
        refunds.become(call, refund, told["status"])
        return dict(render(call.books, refund))


COMMANDS: dict[str, Callable[[Desk, str, dict[str, Any]], dict[str, Any]]] = {
    "": _told, "clock": _clock, "plan": _plan, "webhooks": _webhooks, "limits": _limits, "cards": _cards,
    "checkout": _checkout, "authenticate": _authenticate, "disputes": _disputes, "refunds": _refunds,
}


def _answer(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, json.dumps(body))
