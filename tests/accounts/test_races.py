"""Two people decide about one another at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, connections, transaction

from tests.people import People, people, person
from tollbook.accounts import access, user
from tollbook.accounts.tables import AccessRequest, Area, Level, User
from tollbook.errors import Conflict, Forbidden, Refused

ROUNDS = 10


@pytest.fixture
def them(db) -> People:
    return people()


def at_once(*deeds: Callable[[], object]) -> list[Refused | None]:
    """Start every deed at the same moment; what each was refused with."""
    start, outcomes = threading.Barrier(len(deeds)), {}

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(10)
            deeds[number]()
            outcomes[number] = None
        except Refused as refusal:
            outcomes[number] = refusal
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return [outcomes[number] for number in range(len(deeds))]


def super_admins(them: People) -> int:
    return User.objects.filter(account_id=them.northwind.id, level=Level.SUPER_ADMIN, is_active=True).count()


@pytest.mark.parametrize("demote", [True, False], ids=["demoting", "deactivating"])
def test_two_super_admins_who_demote_each_other_leave_one(them: People, demote: bool) -> None:
    def fell(actor: User, other: User) -> object:
        return user.change_level(actor, other, Level.AGENT) if demote else user.set_active(actor, other, False)

    for turn in range(ROUNDS):
        second = person(them.northwind, f"second{turn}", Level.SUPER_ADMIN)
        first = User.objects.filter(account_id=them.northwind.id, level=Level.SUPER_ADMIN, is_active=True).first()
        outcomes = at_once(lambda a=first, b=second: fell(a, b), lambda a=first, b=second: fell(b, a))
        assert super_admins(them) == 1
        assert sorted(map(bool, outcomes)) == [False, True]


def test_the_second_waits_for_the_first_and_then_sees_what_it_did(them: People) -> None:
    """The same race, frozen in its worst moment: the first has decided and not committed yet."""
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    refusals: list[Refused] = []

    def strike_back() -> None:
        try:
            user.change_level(second, them.owner, Level.ADMIN)
        except Refused as refusal:
            refusals.append(refusal)
        finally:
            connections.close_all()

    thread = threading.Thread(target=strike_back)
    with transaction.atomic():
        user.change_level(them.owner, second, Level.ADMIN)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(20)
    assert isinstance(refusals[0], Conflict | Forbidden)
    assert super_admins(them) == 1


def test_three_super_admins_in_a_ring_leave_at_least_one(them: People) -> None:
    ring = [them.owner, *(person(them.northwind, name, Level.SUPER_ADMIN) for name in ("second", "third"))]
    at_once(*(lambda a=a, b=b: user.set_active(a, b, False) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)))
    assert super_admins(them) >= 1


def test_a_grant_by_somebody_who_is_being_demoted_happens_before_or_not_at_all(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    with transaction.atomic():
        user.change_level(them.owner, second, Level.ADMIN)
        outcome: list[Refused | None] = []
        thread = threading.Thread(target=lambda: outcome.extend(at_once(lambda: _grant(second, them.admin))))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(20)
    assert isinstance(outcome[0], Forbidden)
    assert not access.may(them.admin, Area.CREDITS)


def _grant(actor: User, to: User) -> None:
    access.set_grants(actor, to, {Area.CREDITS: access.READ})


def test_a_double_click_asks_once(them: People) -> None:
    for _ in range(ROUNDS):
        assert at_once(lambda: access.ask(them.admin), lambda: access.ask(them.admin)) == [None, None]
        assert AccessRequest.objects.filter(state="open").count() == 1
        access.decide(them.owner, AccessRequest.objects.get(state="open").id, grant=False)


def test_two_super_admins_who_decide_one_request_decide_it_once(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    for _ in range(ROUNDS):
        request = access.ask(them.agent)
        outcomes = at_once(
            lambda r=request: access.decide(them.owner, r.id, grant=False),
            lambda r=request: access.decide(second, r.id, grant=False),
        )
        assert sorted(map(bool, outcomes)) == [False, True]
