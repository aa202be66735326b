"""What is recorded of many accounts' subscriptions, read in a few statements, as plans. Reads only; the portal's role
may.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tollbook.accounts.account import today_in
from tollbook.accounts.tables import Account
from tollbook.errors import NotFound
from tollbook.postgres.named import load
from tollbook.postgres.prepared import cursor
from tollbook.subscriptions import price as prices
from tollbook.subscriptions.plan import Change, Plan, Version
from tollbook.subscriptions.price import Price
from tollbook.subscriptions.tables import Subscription

SQL = load(__file__)


class Minimum(NamedTuple):
    """What an account agreed to pay at least for each of its monthly periods, from a day until another."""

    id: UUID
    amount: Decimal
    starts_on: date
    ends_on: date | None
    known_on: date


class Book(NamedTuple):
    """All that is recorded of an account that makes charges."""

    plans: Sequence[Plan]
    minimums: Sequence[Minimum]


def read(accounts: Sequence[Account]) -> dict[UUID, Book]:
    """The books of accounts; one with nothing in it is missing. At most four statements, however many accounts."""
    anchors = {account.id: account.anchor_on for account in accounts}
    zones = {account.id: account.timezone for account in accounts}
    asked = {"accounts": list(anchors)}
    rows = _rows("plans", asked)
    changes = _changes(_rows("changes", asked))
    versions = _versions({(row[-1], zones[row[0]]) for row in rows if row[-1]})
    plans: dict[UUID, list[Plan]] = defaultdict(list)
    for row in rows:
        followed = versions.get((row[-1], zones[row[0]]), ())
        plans[row[0]].append(_plan(row, anchors[row[0]], followed, changes.get(row[1], ())))
    minimums: dict[UUID, list[Minimum]] = defaultdict(list)
    for account_id, *facts in _rows("commitments", asked):
        minimums[account_id].append(Minimum(*facts))
    return {id: Book(plans.get(id, []), minimums.get(id, [])) for id in anchors if id in plans or id in minimums}


def including_credit() -> list[UUID]:
    """Active accounts with a subscription that includes credit, or did."""
    return [row[0] for row in _rows("including", {})]


def plan_of(account: Account, subscription_id: UUID) -> Plan:
    """One subscription of an account. Raises NotFound, also for one that was taken back at its start."""
    found = read([account]).get(account.id)
    plan = next((plan for plan in found.plans if plan.id == subscription_id), None) if found else None
    if plan is None:
        raise NotFound("There is no such subscription.")
    return plan


def drafted(account: Account, row: Subscription, tax_code: str = "") -> Plan:
    """The plan that a row would be which is not stored yet; prices that it follows later are left out."""
    return Plan(
        account.id, row.id, row.name, row.kind, row.quantity, prices.of(row.model, row.price, row.scheme), row.starts_on,
        row.ends_on, today_in(account), row.anchor_on or account.anchor_on, row.months, row.free_until, row.prorated,
        row.at_once, tax_code, grant_type_code=row.grant_type_code, grant_amount=row.grant_amount,
    )  # fmt: skip


def _rows(name: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with cursor() as reading:
        return reading.execute(SQL[name], asked, prepare=True, binary=True).fetchall()


def _plan(row: tuple[Any, ...], anchor_on: date, versions: Sequence[Version], changes: Sequence[Change]) -> Plan:
    (account_id, id, name, kind, quantity, model, amount, scheme, starts_on, ends_on, known_on, own_anchor, months,
     free_until, prorated, at_once, tax_code, grant_type_code, grant_amount, _) = row  # fmt: skip
    return Plan(
        account_id, id, name, kind, quantity, _price(model, amount, scheme), starts_on, ends_on, known_on,
        own_anchor or anchor_on, months, free_until, prorated, at_once, tax_code, versions, changes, grant_type_code,
        grant_amount,
    )  # fmt: skip


def _changes(rows: Iterable[tuple[Any, ...]]) -> dict[UUID, list[Change]]:
    found: dict[UUID, list[Change]] = defaultdict(list)
    for (of, id, kind, known_on, from_on, until_on, quantity, model, amount, scheme, percent, off, prorated, at_once,
         withdraws) in rows:  # fmt: skip
        price = None if amount is None else _price(model, amount, scheme)
        found[of].append(
            Change(id, kind, known_on, from_on, until_on, quantity, price, percent, off, prorated, at_once, withdraws)
        )
    return found


@lru_cache(maxsize=16384)
def _price(model: str, amount: Decimal, scheme: str) -> Price:
    """Most accounts pay one of a few prices, so each is made once."""
    return prices.of(model, amount, json.loads(scheme))


def _versions(followed: set[tuple[str, str]]) -> dict[tuple[str, str], list[Version]]:
    """The prices of these components as they are known in these time zones: a new price belongs to no account, so what day
    it is recorded on is a question of where its buyer is.
    """
    found: dict[tuple[str, str], list[Version]] = defaultdict(list)
    if not followed:
        return found
    zones: dict[str, list[str]] = defaultdict(list)
    for code, zone in followed:
        zones[code].append(zone)
    for code, valid_from, recorded_at, model, amount, scheme in _rows("versions", {"codes": sorted(zones)}):
        for zone in zones[code]:
            known_on = recorded_at.astimezone(ZoneInfo(zone)).date()
            found[code, zone].append(Version(valid_from, known_on, _price(model, amount, scheme)))
    return found
