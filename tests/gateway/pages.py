"""The hosted pages: where a card's holder chooses a card, and where the bank asks to confirm.

https://docs.stripe.com/payments/checkout, https://docs.stripe.com/payments/3d-secure/authentication-flow. Plain HTML, no
script; the cards offered are those of https://docs.stripe.com/testing.
"""

from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tests.gateway import cards, checkout, errors, intents, setups
from tests.gateway.books import Object
from tests.gateway.calls import Call
from tests.gateway.desk import Answer, Desk, Request
from tests.gateway.methods import by_number

LOOK = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#1a1f36}"
    "fieldset{border:1px solid #c1c9d2;border-radius:6px;margin:0 0 1rem;padding:1rem}label{display:block;padding:.15rem 0}"
    "button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:6px;background:#0a2540;color:#fff;margin-right:.5rem}"
    ".error{color:#a1122f;font-weight:600}"
)


def answer(desk: Desk, request: Request) -> Answer:
    """A hosted page, or what follows from sending its form."""
    form = dict(parse_qsl(request.body))
    what, _, reference = request.path.removeprefix("/c/").partition("/")
    with desk.change() as call:
        try:
            return {"pay": _pay, "authenticate": _authenticate, "return": _return}[what](call, reference, form)
        except KeyError:
            return _page("Not found", "<p>There is no such page.</p>", 404)
        except errors.Refusal as refusal:
            return _page("Not possible", f"<p class=error>{escape(str(refusal))}</p>", refusal.status)


def _pay(call: Call, reference: str, form: dict[str, str]) -> Answer:
    session = call.books.find("checkout.session", reference)
    if not form:
        return _form(session, "")
    try:
        number = form.get("number", "").strip()
        card = by_number(number) if number else cards.BY_TOKEN[form["card"]]
        month, year = (int(form.get(name) or 0) or None for name in ("exp_month", "exp_year"))
        return _go(checkout.submit(call, session, card, month, year))
    except errors.Refusal as refusal:
        if refusal.status != 402:
            raise
        return _form(session, str(refusal))


def _authenticate(call: Call, reference: str, form: dict[str, str]) -> Answer:
    intent = call.books.objects[reference]
    if intent["status"] != "requires_action":
        return _page("Nothing to confirm", "<p>There is nothing to confirm any more.</p>", 410)
    if "agreed" not in form:
        return _page("Your bank asks", (
            "<p>Your bank wants you to confirm this.</p><form method=post>"
            "<button name=agreed value=yes>Complete</button><button name=agreed value=no>Fail</button></form>"
        ))
    agreed = form["agreed"] == "yes"
    if intent["object"] == "setup_intent":
        setups.authenticated(call, intent, agreed)
    else:
        intents.authenticated(call, intent, agreed)
    return _go(_back(intent))


def _return(call: Call, reference: str, form: dict[str, str]) -> Answer:
    return _go(checkout.finish(call, call.books.find("checkout.session", reference)))


def _back(intent: Object) -> str:
    """https://docs.stripe.com/payments/finalize-payments-on-the-server: what is added to the return address."""
    address = urlsplit(intent["_return_url"] or "/")
    name = intent["object"]
    added = {
        name: intent["id"], f"{name}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if intent["status"] == "succeeded" else "failed",
    }
    return urlunsplit(address._replace(query="&".join(filter(None, [address.query, urlencode(added)]))))


def _form(session: Object, error: str) -> Answer:
    what = "Save a card"
    if session["mode"] == "payment":
        what = f"Pay {session['amount_total']} {session['currency'].upper()} (minor units)"
    told = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    choices = "".join(
        f"<label><input type=radio name=card value={card.token}{' checked' if place == 0 else ''}> "
        f"{card.number} <small>{escape(_hint(card))}</small></label>"
        for place, card in enumerate(cards.CARDS)
    )
    back = f'<p><a href="{escape(session["cancel_url"])}">Back</a></p>' if session["cancel_url"] else ""
    return _page(what, (
        f"{told}<form method=post><fieldset><legend>Test card</legend>{choices}</fieldset>"
        "<label>or a number <input name=number inputmode=numeric autocomplete=off></label>"
        f"<p><button>{escape(what)}</button></p></form>{back}"
    ))


def _hint(card: cards.Card) -> str:
    told = [card.brand]
    if not card.attaches or card.code:
        told.append(f"{'declined' if not card.attaches else 'declined when charged'}: {card.decline or card.code}")
    if card.authentication:
        told.append("the bank asks")
    if card.dispute:
        told.append("disputed after the charge")
    return ", ".join(told)


def _go(address: str) -> Answer:
    return Answer(303, "", {"Location": address})


def _page(title: str, content: str, status: int = 200) -> Answer:
    return Answer(status, (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{LOOK}</style></head><body><main><h1>{escape(title)}</h1>"
        f"<p>A gateway for tests: no real cards, no real money.</p>{content}</main></body></html>"
    ), {"Content-Type": "text/html; charset=utf-8"})
