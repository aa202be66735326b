"""Wallets: what is in them, their refill rules, their refills."""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import FromPath, RawBody

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound
from tollbook.money.amount import HUNDRED, ZERO, to_minor
from tollbook.rating import card
from tollbook.refills import history, rule, run
from tollbook.refills.rule import Rule
from tollbook.refills.tables import Refill, RefillRule
from tollbook.wallets.gauge import Gauge, gauges
from tollbook.web.api import idempotency, pages
from tollbook.web.api.auth import Caller, takes
from tollbook.web.api.bodies import RefillBody, RuleBody, decode
from tollbook.web.api.numbers import money, plain
from tollbook.web.api.pages import Cursor, Limit, Page, cut, place_of

CallerRequest = Request[Any, Caller, Any]


class WalletAnswer(msgspec.Struct):
    """One wallet, as of now. Amounts in `currency`; available = balance - held + overdraft limit.

    `rate_cents` is the price of one unit to a destination that is not listed (null: there is none). `used_percent` is
    what was debited since the last funding at `funded_at`, of the balance right after it. The refill fields are null
    without a rule.
    """

    type: str
    name: str
    unit: str
    currency: str
    rate_cents: Decimal | None
    balance: Decimal
    granted: Decimal
    held: Decimal
    available: Decimal
    used_percent: Decimal
    funded_at: datetime | None
    automatic_refill: bool
    refill_amount: Decimal | None
    minimum_before_refill: Decimal | None


class WalletsAnswer(msgspec.Struct):
    """Every wallet, in the order of the credit types."""

    items: list[WalletAnswer]
    next: None = None


class RuleAnswer(msgspec.Struct):
    """The refill rule of a wallet. Amounts in the account's currency."""

    type: str
    automatic: bool
    refill_amount: Decimal
    minimum_before_refill: Decimal
    monthly_cap: Decimal
    max_charges_per_day: int
    version: int
    set_by: str
    set_at: datetime


class RefillAnswer(msgspec.Struct):
    """One refill. `state`: decided, charging, succeeded, declined, unknown, action_required or withdrawn."""

    id: UUID
    type: str
    amount: Decimal
    currency: str
    state: str
    automatic: bool
    reason: str
    decided_at: datetime
    finished_at: datetime | None
    invoice_number: str | None


@get("/accounts/{slug:str}/wallets", sync_to_thread=True, opt={"scope": "read"})
def list_wallets(request: CallerRequest, slug: FromPath[str]) -> WalletsAnswer:
    """The account's wallets: balance, held, available, used, rate, refill rule."""
    account = request.auth.account(slug)
    rates = card.summaries(account.id, datetime.now(UTC))
    rules = {one.wallet_id: one for one in RefillRule.objects.filter(account_id=account.id)}
    return WalletsAnswer(
        [_wallet(one, rates.get(one.type_code), rules.get(one.wallet_id)) for one in gauges(account.id)]
    )


@get("/accounts/{slug:str}/wallets/{type_code:str}/refill-rule", sync_to_thread=True, opt={"scope": "read"})
def get_rule(request: CallerRequest, slug: FromPath[str], type_code: FromPath[str]) -> RuleAnswer:
    """The refill rule of one wallet."""
    account = request.auth.account(slug)
    stored = rule.of_wallet(account.id, rule.wallet_of(account.id, type_code).id)
    if stored is None:
        raise NotFound("This wallet has no refill rule yet.")
    return _rule(account, type_code, stored)


@put("/accounts/{slug:str}/wallets/{type_code:str}/refill-rule", sync_to_thread=True, opt=takes("admin", RuleBody))
def set_rule(request: CallerRequest, slug: FromPath[str], type_code: FromPath[str], body: RawBody) -> RuleAnswer:
    """Set the refill rule of one wallet; the change is in the audit trail. Repeating it changes nothing."""
    asked = decode(RuleBody, body)
    account = request.auth.account(slug)
    new = Rule(
        automatic=asked.automatic,
        refill_amount=asked.refill_amount,
        minimum_before_refill=asked.minimum_before_refill,
        monthly_cap=asked.monthly_cap,
        max_charges_per_day=asked.max_charges_per_day,
    )
    return _rule(account, type_code, rule.change(account, type_code, new, request.auth.actor, asked.version))


@post(
    "/accounts/{slug:str}/wallets/{type_code:str}/refills",
    status_code=202,
    sync_to_thread=True,
    opt=takes("refills", RefillBody),
)
def ask_refill(
    request: CallerRequest, slug: FromPath[str], type_code: FromPath[str], body: RawBody
) -> Response[RefillAnswer]:
    """Buy credit now with the account's card. Needs an Idempotency-Key. 202: it is decided, and charged in a moment."""
    asked = decode(RefillBody, body)
    account = request.auth.account(slug)
    key = request.headers.get("idempotency-key")
    if key is None:
        raise Invalid(
            "This moves money: send an Idempotency-Key header, new for each refill and the same for each repeat.",
            field="Idempotency-Key",
        )
    request_key = f"api:{sha256(key.encode()).hexdigest()}"

    def work() -> RefillAnswer:
        made = run.ask(account, type_code, asked.amount, request.auth.actor, request_key=request_key)
        return _asked(made, type_code)

    return idempotency.answer(request, account.id, body, 202, work)


@get("/accounts/{slug:str}/wallets/{type_code:str}/refills", sync_to_thread=True, opt={"scope": "read"})
def list_refills(
    request: CallerRequest, slug: FromPath[str], type_code: FromPath[str], cursor: Cursor = None, limit: Limit = pages.USUAL
) -> Page[RefillAnswer]:
    """The refills of one wallet, newest first, with what became of each."""
    account = request.auth.account(slug)
    wallet = rule.wallet_of(account.id, type_code)
    rows = history.of_wallet(account.id, wallet.id, limit + 1, place_of(cursor, UUID))
    return cut(rows, limit, lambda row: _refill(row, type_code), lambda row: str(row.id))


def _wallet(gauge: Gauge, rate: card.Summary | None, refill: RefillRule | None) -> WalletAnswer:
    used = gauge.used / gauge.funded * HUNDRED if gauge.since and gauge.funded > 0 else ZERO
    return WalletAnswer(
        type=gauge.type_code,
        name=gauge.name,
        unit=gauge.unit,
        currency=gauge.currency,
        rate_cents=plain(rate.flat.rate_cents) if rate and rate.flat else None,
        balance=money(gauge.balance),
        granted=money(gauge.granted),
        held=money(gauge.held),
        available=money(gauge.available),
        used_percent=round(used, 2),
        funded_at=gauge.since,
        automatic_refill=bool(refill and refill.automatic),
        refill_amount=to_minor(refill.refill_amount, gauge.currency) if refill else None,
        minimum_before_refill=to_minor(refill.minimum_before_refill, gauge.currency) if refill else None,
    )


def _rule(account: Account, type_code: str, stored: RefillRule) -> RuleAnswer:
    return RuleAnswer(
        type=type_code,
        automatic=stored.automatic,
        refill_amount=to_minor(stored.refill_amount, account.currency),
        minimum_before_refill=to_minor(stored.minimum_before_refill, account.currency),
        monthly_cap=to_minor(stored.monthly_cap, account.currency),
        max_charges_per_day=stored.max_charges_per_day,
        version=stored.version,
        set_by=stored.set_by,
        set_at=stored.set_at,
    )


def _asked(made: Refill, type_code: str) -> RefillAnswer:
    return RefillAnswer(
        id=made.id,
        type=type_code,
        amount=to_minor(made.amount, made.currency),
        currency=made.currency,
        state=str(made.state),
        automatic=made.automatic,
        reason=made.reason,
        decided_at=made.decided_at,
        finished_at=made.finished_at,
        invoice_number=None,
    )


def _refill(row: history.Row, type_code: str) -> RefillAnswer:
    return RefillAnswer(
        id=row.id,
        type=type_code,
        amount=to_minor(row.amount, row.currency),
        currency=row.currency,
        state=row.state.value,
        automatic=row.automatic,
        reason=row.reason,
        decided_at=row.decided_at,
        finished_at=row.finished_at,
        invoice_number=row.invoice_number or None,
    )
