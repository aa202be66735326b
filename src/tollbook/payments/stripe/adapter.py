"""The port's methods by Stripe's API. A charge is a PaymentIntent, confirmed at once, without the card's holder.

What became of a charge is found by the key in its metadata, in two places: the search, which may be behind by as much
as an hour, and the lists of the account's customers, which are not. Neither is trusted for the state, which is read from
the object itself.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import stripe
from django.conf import settings

from tollbook.payments.gateway import (
    ActionRequired,
    ChargeAnswer,
    Charged,
    ChargeRequest,
    Declined,
    Dispute,
    GatewayEvent,
    GivenBack,
    Hosted,
    HostedPage,
    KeyReused,
    NewMethod,
    RefundAnswer,
    Refunded,
    RefundRequest,
    Succeeded,
    Unknown,
)
from tollbook.payments.install import install_id
from tollbook.payments.stripe import answers, signature
from tollbook.payments.stripe.client import client
from tollbook.payments.stripe.customers import customer, of_account
from tollbook.payments.stripe.units import NotChargeable, to_units

log = logging.getLogger(__name__)

SEARCH_IS_BEHIND = timedelta(hours=3)
"""At most this long, with room: https://docs.stripe.com/search#data-freshness says an hour during outages."""

UNDECIDED_FOR = timedelta(minutes=2)
"""How old a charge that nobody confirmed must be before it is cancelled: longer than any request takes."""

PAGE = 100

PAGES = "cs_"
"""How names of Checkout pages begin."""

UNEXPECTED_STATE = "payment_intent_unexpected_state"
FAILED = Declined("gateway_failed", "The gateway failed, and took nothing.")


class RepeatedFailure(Exception):
    """Stripe repeats that it failed under this key, and always will: what it did before it failed is all it does."""


class Stripe:
    """The adapter; see `payments.gateway.Gateway`."""

    REMEMBERS = timedelta(hours=23)
    TAKES_CARDS = True

    def charge(self, request: ChargeRequest) -> ChargeAnswer:
        """Make and confirm a PaymentIntent, off session. Raises KeyReused."""
        try:
            params = _intent(request)
        except NotChargeable as error:
            return Declined("amount_not_chargeable", str(error), ours=True)
        try:
            return _said(lambda: client().v1.payment_intents.create(params, _key(request.idempotency_key)))
        except RepeatedFailure:
            return self.look_up(request.account_id, request.idempotency_key) or FAILED

    def look_up(self, account_id: UUID, idempotency_key: str) -> ChargeAnswer | None:
        """The charge with this key, wherever it is found; None when it is in no list of the account."""
        found = {**_searched(idempotency_key), **_listed(account_id, idempotency_key)}
        told = [_decided(_retrieve(reference)) for reference in found]
        taken = [one for one in told if isinstance(one, Succeeded)]
        if len(taken) > 1:
            log.error("%s was charged %d times: %s", idempotency_key, len(taken), [one.reference for one in taken])
        waiting = [one for one in told if not isinstance(one, Declined)]
        return (taken or waiting or told or [None])[0]

    def confirm(self, account_id: UUID, reference: str, return_url: str) -> ChargeAnswer:
        """Confirm again with the holder present; what waits already keeps its page."""
        intent = _retrieve(reference)
        _must_be(intent, account_id)
        answer, failure = answers.of_intent(intent), intent.get("last_payment_error") or {}
        method = (failure.get("payment_method") or {}).get("id")
        if not isinstance(answer, ActionRequired) or answer.url or not method:
            return answer
        params: Any = {"payment_method": method, "off_session": False, "return_url": return_url}
        latest = intent.get("latest_charge") or {}
        key = _key(f"{intent['metadata'].get('tollbook_key')}:confirm:{latest.get('id', reference)}")
        return _said(lambda: client().v1.payment_intents.confirm(reference, params, key), reference)

    def cancel(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """Cancel a PaymentIntent, or let a Checkout page expire."""
        if reference.startswith(PAGES):
            return self._close(account_id, reference)
        intent = _retrieve(reference)
        _must_be(intent, account_id)
        is_over = intent["status"] in ("succeeded", "canceled")
        return answers.of_intent(intent) if is_over else _cancelled(reference)

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Make a Refund of a PaymentIntent. Raises KeyReused."""
        try:
            params = _refund(request)
            return answers.of_refund(_plain(client().v1.refunds.create(params, _key(request.idempotency_key))))
        except NotChargeable as error:
            return Declined("amount_not_refundable", str(error))
        except stripe.IdempotencyError as error:
            raise KeyReused(request.idempotency_key) from error
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            return Declined(error.code or "invalid_request", f"The gateway refused it: {error.user_message}"[:200])
        except stripe.StripeError as error:
            return answers.of_error(error)

    def look_up_refund(self, request: RefundRequest) -> RefundAnswer | None:
        """The refund with this key among those of its charge; the list is never behind."""
        made = client().v1.refunds.list({"payment_intent": request.charge_reference, "limit": PAGE})
        told = [answers.of_refund(row) for row in _all(made) if _key_of(row) == request.idempotency_key]
        given = [one for one in told if isinstance(one, Refunded)]
        return (given or told or [None])[0]

    def given_back(self, reference: str) -> GivenBack:
        """The Refund. Raises LookupError."""
        return answers.given_back(_found(lambda: client().v1.refunds.retrieve(reference)), install_id())

    def charged(self, reference: str) -> Charged:
        """The PaymentIntent. Raises LookupError."""
        return answers.charged(_retrieve(reference), install_id())

    def charges(self, since: datetime, until: datetime) -> Iterator[Charged]:
        """Every PaymentIntent of that time, newest first, whoever made it."""
        params: Any = {"created": _span(since, until), "limit": PAGE, "expand": ["data.latest_charge"]}
        install = install_id()
        for intent in _all(client().v1.payment_intents.list(params)):
            yield answers.charged(intent, install)

    def dispute(self, reference: str) -> Dispute:
        """The Dispute. Raises LookupError, also for an inquiry, which contests nothing yet."""
        found = _found(lambda: client().v1.disputes.retrieve(reference))
        if not answers.is_dispute(found):
            raise LookupError(f"{reference} is an inquiry")
        return answers.dispute(found)

    def disputes(self, since: datetime, until: datetime) -> Iterator[Dispute]:
        """Every Dispute of that time but inquiries, newest first."""
        for row in _all(client().v1.disputes.list({"created": _span(since, until), "limit": PAGE})):
            if answers.is_dispute(row):
                yield answers.dispute(row)

    def set_up(self, account_id: UUID, return_url: str) -> HostedPage:
        """A Checkout page that saves a card for charges without its holder."""
        params: Any = {
            "mode": "setup",
            "customer": customer(client(), account_id),
            "payment_method_types": ["card"],
            "metadata": {"tollbook_install": install_id(), "tollbook_account": str(account_id)},
            "success_url": return_url,
            "cancel_url": return_url,
        }
        made = client().v1.checkout.sessions.create(params)
        return HostedPage(str(made.url), made.id)

    def card_from(self, account_id: UUID, reference: str) -> NewMethod | None:
        """The card saved on that page. Raises LookupError for another account's page."""
        session = _session(reference, "setup_intent.payment_method")
        _must_be(session, account_id)
        setup = session.get("setup_intent") or {}
        method = setup.get("payment_method") if setup.get("status") == "succeeded" else None
        return answers.card(method) if method else None

    def card(self, reference: str) -> NewMethod | None:
        """The card as Stripe has it now, with its customer. Raises LookupError."""
        return answers.card(_found(lambda: client().v1.payment_methods.retrieve(reference)))

    def pay_page(self, request: ChargeRequest, return_url: str) -> HostedPage:
        """A Checkout page for one payment, by any card; the same key again leads to the same page."""
        price = {"currency": request.currency.lower(), "unit_amount": to_units(request.amount, request.currency)}
        about = answers.metadata(request, install_id()) | {"tollbook_page": "yes"}
        name = request.description or "Payment"
        params: Any = {
            "mode": "payment",
            "customer": customer(client(), request.account_id),
            "payment_method_types": ["card"],
            "line_items": [{"quantity": 1, "price_data": price | {"product_data": {"name": name}}}],
            "metadata": about,
            "payment_intent_data": {"metadata": about, "description": name},
            "success_url": return_url,
            "cancel_url": return_url,
        }
        made = client().v1.checkout.sessions.create(params, _key(request.idempotency_key))
        return HostedPage(str(made.url), made.id)

    def paid_on(self, account_id: UUID, reference: str) -> ChargeAnswer:
        """What became of the page, and of the payment made on it."""
        session = _session(reference, "payment_intent")
        _must_be(session, account_id)
        intent = session.get("payment_intent")
        if session["status"] == "open":
            return ActionRequired("The payment page is still open.", session.get("url"), reference)
        if intent and session["status"] == "complete":
            return answers.of_intent(intent)
        return Declined("page_closed", "The payment page was closed before it was paid.")

    def _close(self, account_id: UUID, reference: str) -> ChargeAnswer:
        answer = self.paid_on(account_id, reference)
        if not isinstance(answer, ActionRequired) or not answer.reference.startswith(PAGES):
            return answer
        try:
            client().v1.checkout.sessions.expire(reference)
        except stripe.InvalidRequestError as error:
            log.info("a page was left already: %s", error.code)
        return self.paid_on(account_id, reference)

    def hosted(self, reference: str) -> Hosted:
        """Whose page it is, and for what. Raises LookupError."""
        session = _session(reference)
        about = session["metadata"]
        if about.get("tollbook_install") != install_id():
            raise LookupError(f"{reference} is not a page of this installation")
        return Hosted(
            reference=reference,
            account_id=UUID(about["tollbook_account"]),
            saves_card=session["mode"] == "setup",
            idempotency_key=about.get("tollbook_key", ""),
            purpose=about.get("tollbook_purpose", ""),
            our_id=about.get("tollbook_id", ""),
            attempt=int(about.get("tollbook_attempt") or 0),
        )

    def forget(self, account_id: UUID, token: str) -> None:
        """Detach the card from its customer; one that is detached already stays so."""
        try:
            client().v1.payment_methods.detach(_token(token)[1])
        except stripe.InvalidRequestError as error:
            log.info("a card was detached already: %s", error.code)

    def event_of(self, headers: Mapping[str, str], body: bytes, now: datetime) -> GatewayEvent:
        """The event in a webhook, signed with one of the secrets in the settings. Raises NotGenuine."""
        return signature.event_of(headers, body, settings.STRIPE_WEBHOOK_SECRETS.read().replace(",", " ").split(), now)


def _intent(request: ChargeRequest) -> Any:
    holder, method = _token(request.token)
    return {
        "amount": to_units(request.amount, request.currency),
        "currency": request.currency.lower(),
        "customer": holder,
        "payment_method": method,
        "payment_method_types": ["card"],
        "off_session": True,
        "confirm": True,
        "description": request.description or "Payment",
        "metadata": answers.metadata(request, install_id()),
    }


def _refund(request: RefundRequest) -> Any:
    about = {
        "tollbook_install": install_id(),
        "tollbook_account": str(request.account_id),
        "tollbook_key": request.idempotency_key,
        "tollbook_reason": request.reason[:500],
    }
    amount = to_units(request.amount, request.currency)
    about = {name: value for name, value in about.items() if value}
    return {"payment_intent": request.charge_reference, "amount": amount, "metadata": about}


def _said(ask: Callable[[], Any], reference: str = "") -> ChargeAnswer:
    """The answer to a request that moves money, or ends the charge `reference`. Raises KeyReused, RepeatedFailure.

    A repeated answer is as old as its first execution, so what it is about is read again. So is a charge that can't be
    confirmed or cancelled, for whatever reason: that says nothing about its money.
    """
    try:
        made = ask()
        return answers.of_intent(_retrieve(made.id) if _is_repeated(made.last_response.headers) else _plain(made))
    except stripe.IdempotencyError as error:
        raise KeyReused(str(error.user_message)) from error
    except stripe.CardError as error:
        return _declined(error)
    except stripe.InvalidRequestError as error:
        if reference:
            log.log(logging.INFO if error.code == UNEXPECTED_STATE else logging.ERROR, "%s: %s", reference, error.code)
            return answers.of_intent(_retrieve(reference))
        return answers.of_refused(error)
    except stripe.StripeError as error:
        if (error.http_status or 0) >= 500 and _is_repeated(error.headers):
            raise RepeatedFailure(error.http_status) from error
        return answers.of_error(error)


def _declined(error: stripe.CardError) -> ChargeAnswer:
    told = cast(dict[str, Any], error.json_body or {}).get("error", {})
    intent = told.get("payment_intent") or {}
    if intent and _is_repeated(error.headers):
        return answers.of_intent(_retrieve(intent["id"]))
    return answers.of_failure(told, intent.get("id", ""))


def _decided(intent: dict[str, Any]) -> ChargeAnswer:
    """What a charge says; one that nobody confirmed in all this time is cancelled, so that it says something."""
    answer = answers.charged(intent, install_id()).answer
    age = datetime.now(UTC) - datetime.fromtimestamp(intent["created"], UTC)
    if not isinstance(answer, Unknown) or intent["status"] == "processing" or age < UNDECIDED_FOR:
        return answer
    return _cancelled(intent["id"])


def _cancelled(reference: str) -> ChargeAnswer:
    """Without a key of ours: cancelling twice does no harm, and a key would repeat for a day that it was too early."""
    return _said(lambda: client().v1.payment_intents.cancel(reference), reference)


def _searched(key: str) -> dict[str, None]:
    """Which PaymentIntents the search has for a key."""
    query = f"metadata['tollbook_key']:'{key}'"
    found = client().v1.payment_intents.search({"query": query, "limit": 10})
    return dict.fromkeys(row.id for row in found.data)


def _listed(account_id: UUID, key: str) -> dict[str, None]:
    """Which of the account's PaymentIntents have that key, of all those that the search may not have yet."""
    since = int((datetime.now(UTC) - SEARCH_IS_BEHIND).timestamp())
    lists = (
        client().v1.payment_intents.list({"customer": holder, "created": {"gte": since}, "limit": PAGE})
        for holder in of_account(account_id)
    )
    return dict.fromkeys(row["id"] for made in lists for row in _all(made) if _key_of(row) == key)


def _retrieve(reference: str) -> dict[str, Any]:
    return _found(lambda: client().v1.payment_intents.retrieve(reference, {"expand": ["latest_charge"]}))


def _session(reference: str, *expand: str) -> dict[str, Any]:
    return _found(lambda: client().v1.checkout.sessions.retrieve(reference, {"expand": list(expand)}))


def _found(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        return _plain(ask())
    except stripe.InvalidRequestError as error:
        if error.http_status == 404:
            raise LookupError(error.user_message) from error
        raise


def _must_be(thing: Mapping[str, Any], account_id: UUID) -> None:
    """Raises LookupError for what belongs to another account, or another installation."""
    about = thing["metadata"]
    if (about.get("tollbook_install"), about.get("tollbook_account")) != (install_id(), str(account_id)):
        raise LookupError(f"{thing['id']} does not belong to this account")


def _all(first: Any) -> Iterator[dict[str, Any]]:
    """Every row of a list, page by page."""
    return (_plain(row) for row in first.auto_paging_iter())


def _plain(thing: Any) -> dict[str, Any]:
    return cast(dict[str, Any], thing.to_dict())


def _key(key: str) -> Any:
    return {"idempotency_key": key}


def _key_of(row: Mapping[str, Any]) -> str | None:
    return (row.get("metadata") or {}).get("tollbook_key")


def _token(token: str) -> tuple[str, str]:
    """The customer and the card in a token."""
    holder, _, method = token.partition(":")
    return holder, method


def _span(since: datetime, until: datetime) -> Any:
    """[since, until) in whole seconds, both rounded up: a time of Stripe's lies at the beginning of its second."""
    return {"gte": math.ceil(since.timestamp()), "lt": math.ceil(until.timestamp())}


def _is_repeated(headers: Mapping[str, str] | None) -> bool:
    return {name.lower(): value for name, value in (headers or {}).items()}.get("idempotent-replayed") == "true"
