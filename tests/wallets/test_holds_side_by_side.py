"""Holds in many threads at once: never overdrawn, never waiting for each other in a circle."""

import random
from contextlib import suppress
from decimal import Decimal
from itertools import count

from tests.cast import LONG_AGO, NOON, a_rate, an_account, funded, wallet
from tests.databases import Database
from tests.together import together
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.errors import Conflict
from tollbook.postgres.retry import in_transaction
from tollbook.usage.capture import EventConflict, capture
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.usage.reserve import Extend, Item, Reserve, extend, extend_many, reserve, reserve_many
from tollbook.wallets.hold import HoldIsOver, InsufficientCredit, Placed, Release, expire_due, release_many
from tollbook.wallets.tables import Hold

KINDS = ("outbound", "conversational_ai", "speech_to_text")
numbers = count()


def minutes(whole: int, kind: str = "outbound") -> Item:
    return Item(kind, quantity=Decimal(60 * whole))


def test_eight_calls_on_one_wallet_take_what_is_there_and_no_more_blnk_181_238(db: Database) -> None:
    """A $5 prepaid account once ended at -$563.88, because the limit was looked at apart from the debit."""
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="30")

    def talk() -> Decimal:
        spent = Decimal(0)
        with suppress(InsufficientCredit):
            while True:
                placed = reserve(account, f"call-{next(numbers)}", [minutes(random.randint(1, 3))], accept_less=True)
                with suppress(InsufficientCredit):
                    placed = extend(account, placed.id, [minutes(1)])
                spent += capture(account, placed.id, [Item(quantity=placed.items[0].quantity)], NOON, {}).cost
        return spent

    assert sum(together(8, talk)) == 30
    assert (wallet(account).paid, wallet(account).held) == (0, 0)
    assert audit() == []


def test_of_eight_holds_for_one_event_one_is_placed_whichever_wallets_they_are_from(db: Database) -> None:
    account = an_account()
    for kind in KINDS:
        a_rate(kind, "100", 60, 60)
        funded(account, kind)

    def place() -> Placed | Conflict:
        try:
            return reserve(account, "call", [minutes(1, KINDS[next(numbers) % 3])])
        except Conflict as known:
            return known

    answers = together(8, place)
    placed = [answer for answer in answers if isinstance(answer, Placed)]
    assert len(placed) == Hold.objects.count() == 1
    assert {answer.details["hold_id"] for answer in answers if isinstance(answer, Conflict)} == {str(placed[0].id)}
    assert audit() == []


def test_calls_that_use_several_wallets_in_any_order_never_wait_in_a_circle(db: Database) -> None:
    accounts = [an_account(slug) for slug in ("north", "south")]
    for kind in KINDS:
        a_rate(kind, "10", 60, 60)
        for account in accounts:
            funded(account, kind, "1000")
    together(8, lambda: [_some_of_everything(accounts) for _ in range(12)])
    assert _deadlocks(db) == 0
    assert audit() == []


def _some_of_everything(accounts: list[Account]) -> None:
    """Holds of a group over two accounts, extended, then captured, recorded, released or expired; in random orders."""
    asked = [Reserve(random.choice(accounts).id, f"call-{next(numbers)}", _some_items()) for _ in range(4)]
    asked.append(Reserve(accounts[0].id, "of everybody", _some_items()))
    placed = in_transaction(lambda: reserve_many(random.sample(asked, len(asked))))
    holds = [(hold.items[0].account_id, hold) for hold in placed if isinstance(hold, Placed)]
    more = [Extend(account_id, hold.id, [minutes(1, hold.items[-1].type_code)]) for account_id, hold in holds]
    in_transaction(lambda: extend_many(random.sample(more, len(more))))
    for account_id, hold in holds[:2]:
        account = next(account for account in accounts if account.id == account_id)
        used = [Item(item.type_code, quantity=item.quantity) for item in hold.items]
        with suppress(HoldIsOver, EventConflict):
            capture(account, hold.id, random.sample(used, len(used)), NOON, {})
    for account_id, hold in holds[2:3]:
        Hold.objects.filter(account_id=account_id, id=hold.id).update(expires_at=LONG_AGO)
        kind = hold.items[-1].type_code
        names = [hold.event_id, f"{hold.event_id}#{kind}"]
        record(account_id, [Event(name, kind, Decimal(1), NOON) for name in random.sample(names, 2)])
    expire_due()
    rest = [Release(account_id, hold.id) for account_id, hold in holds[3:]]
    in_transaction(lambda: release_many(random.sample(rest, len(rest))))


def _some_items() -> list[Item]:
    return [minutes(1, kind) for kind in random.sample(KINDS, random.randint(1, 3))]


def _deadlocks(db: Database) -> int:
    """How many PostgreSQL had to break in this database; connections have told theirs when they are closed."""
    with db.connect("owner") as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return connection.execute(query).fetchone()[0]
