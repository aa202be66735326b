"""The Access Control List: who has Billing, who grants it, and asking for it."""

import pytest

from tests.people import People, grant, people, person
from tollbook.accounts import access, user
from tollbook.accounts.access import ALL, NONE, READ, Rights
from tollbook.accounts.tables import AccessRequest, Area, AuditEntry, Level
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound


@pytest.fixture
def them(db) -> People:
    return people()


def test_the_rows_are_those_of_the_contract_in_their_order() -> None:
    assert [area.label for area in Area] == [
        "Invoice History",
        "Subscriptions",
        "Minutes/Credits",
        "Payments and refills",
    ]


def test_a_super_admin_has_everything_and_nobody_else_anything(them: People) -> None:
    assert access.rights(them.owner) == dict.fromkeys(Area, ALL)
    for other in (them.admin, them.manager, them.agent, them.staff):
        assert access.rights(other) == dict.fromkeys(Area, NONE)
        assert not any(access.may(other, area) for area in Area)


def test_a_grant_gives_just_what_it_says(them: People) -> None:
    grant(them.owner, them.admin, invoices="r", credits="rw")
    assert access.rights(them.admin) == {
        Area.INVOICES: READ, Area.SUBSCRIPTIONS: NONE, Area.CREDITS: ALL, Area.PAYMENTS: NONE,
    }  # fmt: skip
    assert access.may(them.admin, Area.INVOICES) and not access.may(them.admin, Area.INVOICES, write=True)
    assert access.may(them.admin, Area.CREDITS, write=True)
    assert access.rights(them.manager) == dict.fromkeys(Area, NONE)


def test_a_grant_leaves_the_areas_that_it_does_not_name(them: People) -> None:
    grant(them.owner, them.admin, invoices="r", credits="rw")
    grant(them.owner, them.admin, invoices="")
    assert access.rights(them.admin)[Area.CREDITS] == ALL
    assert access.rights(them.admin)[Area.INVOICES] == NONE


@pytest.mark.parametrize("level", [Level.ADMIN, Level.MANAGER, Level.AGENT])
def test_any_level_may_be_granted_billing(them: People, level: Level) -> None:
    one = person(them.northwind, "one", level)
    grant(them.owner, one, subscriptions="r")
    assert access.may(one, Area.SUBSCRIPTIONS)


@pytest.mark.parametrize("actor", ["admin", "manager", "agent", "stranger", "staff"])
def test_only_a_super_admin_of_the_account_grants(them: People, actor: str) -> None:
    grant(them.owner, them.admin, invoices="rw", subscriptions="rw", credits="rw", payments="rw")
    target = them.manager if actor != "manager" else them.agent
    with pytest.raises(Forbidden):
        access.set_grants(getattr(them, actor), target, {Area.INVOICES: READ})
    assert access.rights(target) == dict.fromkeys(Area, NONE)


def test_nobody_grants_to_themselves(them: People) -> None:
    grant(them.owner, them.admin, credits="r")
    for actor in (them.owner, them.admin):
        with pytest.raises((Conflict, Forbidden)):
            access.set_grants(actor, actor, {Area.CREDITS: ALL})
    assert access.rights(them.admin)[Area.CREDITS] == READ


def test_a_deactivated_super_admin_grants_nothing_and_has_nothing(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    user.set_active(them.owner, second, False)
    with pytest.raises(Forbidden):
        access.set_grants(second, them.admin, {Area.CREDITS: READ})
    second.is_active = False
    assert access.rights(second) == dict.fromkeys(Area, NONE)
    assert second not in access.who_can_grant(them.northwind.id)


def test_a_demoted_super_admin_grants_nothing_any_more(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    user.change_level(them.owner, second, Level.ADMIN)
    with pytest.raises(Forbidden, match="Only a Super-Admin"):
        access.set_grants(second, them.admin, {Area.CREDITS: READ})


def test_write_needs_read(them: People) -> None:
    with pytest.raises(Invalid, match="grant Read too"):
        access.set_grants(them.owner, them.admin, {Area.CREDITS: Rights(write=True)})


def test_nobody_covers_what_they_lack() -> None:
    assert access.covers({Area.CREDITS: ALL}, {Area.CREDITS: READ, Area.INVOICES: NONE})
    assert not access.covers({Area.CREDITS: READ}, {Area.CREDITS: ALL})
    assert not access.covers({Area.CREDITS: ALL}, {Area.INVOICES: READ})


def test_who_lacks_billing_does_not_give_it_back_by_reactivating(them: People) -> None:
    grant(them.owner, them.agent, credits="r")
    user.set_active(them.admin, them.agent, False)
    with pytest.raises(Forbidden, match="a Super-Admin can reactivate"):
        user.set_active(them.admin, them.agent, True)
    user.set_active(them.owner, them.agent, True)
    assert access.may(them.agent, Area.CREDITS)


def test_a_new_link_is_given_only_by_who_is_above_and_has_every_right(them: People) -> None:
    assert user.may_send_link(them.admin, them.agent)
    assert not user.may_send_link(them.agent, them.admin)
    grant(them.owner, them.agent, credits="r")
    assert not user.may_send_link(them.admin, them.agent)
    assert user.may_send_link(them.owner, them.agent)
    peer = person(them.northwind, "peer", Level.ADMIN)
    assert user.may_send_link(them.admin, peer)  # who never signed in
    peer.last_login = peer.created_at
    assert not user.may_send_link(them.admin, peer)


def test_grants_are_in_the_trail_with_before_and_after(them: People) -> None:
    grant(them.owner, them.admin, credits="rw")
    grant(them.owner, them.admin, credits="r", invoices="r")
    grant(them.owner, them.admin, credits="r")  # as it is: no line
    lines = AuditEntry.objects.filter(action="access.change").order_by("at")
    assert [(line.target, line.actor_name, line.before, line.after) for line in lines] == [
        (
            "user/admin@northwind.example", "owner@northwind.example",
            {"Minutes/Credits": "No access"}, {"Minutes/Credits": "Read and Write"},
        ),
        (
            "user/admin@northwind.example", "owner@northwind.example",
            {"Minutes/Credits": "Read and Write", "Invoice History": "No access"},
            {"Minutes/Credits": "Read", "Invoice History": "Read"},
        ),
    ]  # fmt: skip


def test_a_request_waits_until_a_super_admin_decides(them: People) -> None:
    request = access.ask(them.admin)
    assert [(asked.id, asked.user) for asked in access.open_requests(them.northwind.id)] == [(request.id, them.admin)]
    assert access.open_requests(them.contoso.id) == []
    access.decide(them.owner, request.id, grant=True)
    assert access.open_requests(them.northwind.id) == []
    assert access.rights(them.admin) == dict.fromkeys(Area, READ)


def test_granting_a_request_keeps_the_write_that_was_there(them: People) -> None:
    grant(them.owner, them.admin, credits="rw")
    access.decide(them.owner, access.ask(them.admin).id, grant=True)
    assert access.rights(them.admin) == dict.fromkeys(Area, READ) | {Area.CREDITS: ALL}


def test_declining_gives_nothing_and_lets_one_ask_again(them: People) -> None:
    request = access.ask(them.admin)
    access.decide(them.owner, request.id, grant=False)
    assert access.rights(them.admin) == dict.fromkeys(Area, NONE)
    assert access.last_request(them.admin).state == "declined"
    assert access.ask(them.admin).id != request.id


def test_a_request_is_decided_once(them: People) -> None:
    request = access.ask(them.admin)
    access.decide(them.owner, request.id, grant=False)
    with pytest.raises(Conflict, match="decided already: declined"):
        access.decide(them.owner, request.id, grant=True)
    assert access.rights(them.admin) == dict.fromkeys(Area, NONE)


@pytest.mark.parametrize("actor", ["admin", "manager", "agent"])
def test_only_a_super_admin_decides(them: People, actor: str) -> None:
    request = access.ask(them.admin)
    with pytest.raises(Forbidden):
        access.decide(getattr(them, actor), request.id, grant=True)
    assert AccessRequest.objects.get().state == "open"


@pytest.mark.parametrize("actor", ["stranger", "staff"])
def test_a_request_of_another_account_is_not_there(them: People, actor: str) -> None:
    request = access.ask(them.admin)
    with pytest.raises(NotFound):
        access.decide(getattr(them, actor), request.id, grant=True)


def test_granting_in_the_list_settles_the_request(them: People) -> None:
    request = access.ask(them.admin)
    grant(them.owner, them.admin, invoices="r")
    assert AccessRequest.objects.get(id=request.id).state == "granted"


def test_who_has_everything_has_nothing_to_ask_for(them: People) -> None:
    for one in (them.owner, them.staff):
        with pytest.raises(Conflict):
            access.ask(one)


def test_requests_of_deactivated_users_do_not_wait(them: People) -> None:
    access.ask(them.agent)
    user.set_active(them.owner, them.agent, False)
    assert access.open_requests(them.northwind.id) == []


def test_requests_and_decisions_are_in_the_trail(them: People) -> None:
    access.decide(them.owner, access.ask(them.admin).id, grant=True)
    access.decide(them.owner, access.ask(them.agent).id, grant=False)
    lines = AuditEntry.objects.exclude(action__in=("user.add", "account.open", "access.change")).order_by("at")
    assert [(line.action, line.actor_name, line.target) for line in lines] == [
        ("access_request.open", "admin@northwind.example", "user/admin@northwind.example"),
        ("access_request.grant", "owner@northwind.example", "user/admin@northwind.example"),
        ("access_request.open", "agent@northwind.example", "user/agent@northwind.example"),
        ("access_request.decline", "owner@northwind.example", "user/agent@northwind.example"),
    ]
