"""Who may change whom."""

from datetime import UTC, datetime

import pytest

from tests.people import People, people, person
from tollbook.accounts import user
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.tables import AuditEntry, Level, User
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound

# actor: whom of Northwind they may edit.
MAY_EDIT = {
    "owner": {"admin", "manager", "agent"},
    "admin": {"manager", "agent"},
    "manager": {"agent"},
    "agent": set(),
    "stranger": set(),
    "staff": {"owner", "admin", "manager", "agent"},
}


@pytest.fixture
def them(db) -> People:
    return people()


def stored(one: User) -> User:
    return User.objects.get(id=one.id)


@pytest.mark.parametrize("actor", MAY_EDIT)
def test_users_edit_others_of_their_account_and_of_lower_levels(them: People, actor: str) -> None:
    others = {"owner", "admin", "manager", "agent", "stranger", "staff"} - {actor}
    may = {name for name in others if user.may_edit(getattr(them, actor), getattr(them, name))}
    assert may - {"stranger"} == MAY_EDIT[actor]
    assert ("stranger" in may) == (actor == "staff")


@pytest.mark.parametrize("level", [Level.SUPER_ADMIN, Level.ADMIN, Level.MANAGER])
def test_users_edit_others_of_their_own_level_too(them: People, level: Level) -> None:
    one, other = person(them.northwind, "one", level), person(them.northwind, "other", level)
    assert user.may_edit(one, other)
    user.change_level(one, other, Level.AGENT)
    assert stored(other).level == Level.AGENT


def test_nobody_edits_themselves(them: People) -> None:
    person(them.northwind, "second", Level.SUPER_ADMIN)
    for one in (them.owner, them.admin, them.manager, them.agent, them.staff):
        assert not user.may_edit(one, one)
    with pytest.raises(Forbidden, match="You can't change yourself"):
        user.change_level(them.owner, them.owner, Level.ADMIN)
    with pytest.raises(Forbidden):
        user.set_active(them.admin, them.admin, False)


def test_nobody_edits_above_their_level(them: People) -> None:
    with pytest.raises(Forbidden, match="has a higher level than yours"):
        user.change_level(them.admin, them.owner, Level.AGENT)
    with pytest.raises(Forbidden):
        user.set_active(them.manager, them.admin, False)
    with pytest.raises(Forbidden):
        user.rename(them.agent, them.manager, "x")


def test_nobody_gives_a_level_above_their_own(them: People) -> None:
    with pytest.raises(Forbidden, match="your own level or a lower one"):
        user.change_level(them.admin, them.agent, Level.SUPER_ADMIN)
    with pytest.raises(Forbidden):
        user.invite(them.manager, "new@northwind.example", "", Level.ADMIN)
    with pytest.raises(Forbidden):
        user.invite(them.agent, "new@northwind.example", "", Level.AGENT)


@pytest.mark.parametrize("level", ["staff", "", "root"])
def test_nobody_becomes_staff_or_anything_unknown(them: People, level: str) -> None:
    for actor in (them.owner, them.staff):
        with pytest.raises((Forbidden, Invalid)):
            user.change_level(actor, them.agent, level)
    with pytest.raises((Forbidden, Invalid)):
        user.invite(them.owner, "new@northwind.example", "", level)


def test_users_of_other_accounts_are_not_there(them: People) -> None:
    for change in (
        lambda: user.change_level(them.owner, them.stranger, Level.AGENT),
        lambda: user.set_active(them.owner, them.stranger, False),
        lambda: user.rename(them.owner, them.stranger, "x"),
        lambda: user.forget_password(them.owner, them.stranger),
        lambda: user.change_level(them.owner, them.staff, Level.AGENT),
        lambda: user.find(them.northwind.id, them.stranger.id),
        lambda: user.find(them.northwind.id, them.staff.id),
    ):
        with pytest.raises(NotFound):
            change()


def test_staff_look_after_one_another_but_not_after_themselves(them: People) -> None:
    colleague = person(None, "colleague", Level.STAFF)
    user.rename(them.staff, colleague, "Sam")
    user.set_active(them.staff, colleague, False)
    assert (stored(colleague).name, stored(colleague).is_active) == ("Sam", False)
    with pytest.raises(Forbidden):
        user.set_active(colleague, them.staff, False)  # deactivated since their page was opened
    with pytest.raises(Forbidden):
        user.set_active(them.staff, them.staff, False)
    [line] = AuditEntry.objects.filter(account_id=OPERATOR_ID, action="user.deactivate")
    assert (line.actor_name, line.target) == (them.staff.email, f"user/{colleague.email}")


def test_staff_have_no_other_level(them: People) -> None:
    colleague = person(None, "colleague", Level.STAFF)
    for level in (Level.SUPER_ADMIN, Level.STAFF):
        with pytest.raises(Conflict, match="no other level"):
            user.change_level(them.staff, colleague, level)


def test_staff_get_a_link_for_a_colleague_only_before_the_first_sign_in(them: People) -> None:
    colleague = person(None, "colleague", Level.STAFF)
    assert user.may_send_link(them.staff, colleague)
    colleague.last_login = datetime.now(UTC)
    colleague.save(update_fields=["last_login"])
    with pytest.raises(Forbidden):
        user.forget_password(them.staff, colleague)
    assert not user.may_edit(them.owner, colleague)


def test_the_last_super_admin_is_neither_demoted_nor_deactivated_by_anybody(them: People) -> None:
    for actor in (them.owner, them.staff):
        with pytest.raises(Conflict, match="last active Super-Admin"):
            user.change_level(actor, them.owner, Level.ADMIN)
        with pytest.raises(Conflict, match="last active Super-Admin"):
            user.set_active(actor, them.owner, False)
    assert stored(them.owner).level == Level.SUPER_ADMIN


def test_a_deactivated_super_admin_does_not_count_as_another(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    user.set_active(them.owner, second, False)
    with pytest.raises(Conflict):
        user.change_level(them.staff, them.owner, Level.ADMIN)


def test_the_super_admin_of_another_account_does_not_count(them: People) -> None:
    with pytest.raises(Conflict):
        user.set_active(them.staff, them.owner, False)


def test_one_of_two_super_admins_may_go(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    user.change_level(them.owner, second, Level.MANAGER)
    assert stored(second).level == Level.MANAGER


def test_what_counts_is_the_actor_now_and_not_when_the_page_was_opened(them: People) -> None:
    second = person(them.northwind, "second", Level.SUPER_ADMIN)
    user.change_level(them.owner, second, Level.AGENT)
    assert second.level == Level.SUPER_ADMIN  # as the second's own request still believes
    with pytest.raises(Forbidden):
        user.change_level(second, them.admin, Level.AGENT)
    user.set_active(them.owner, them.admin, False)
    with pytest.raises(Forbidden):
        user.change_level(them.admin, them.agent, Level.MANAGER)
    with pytest.raises(Forbidden):
        user.invite(them.admin, "new@northwind.example", "", Level.AGENT)


def test_staff_have_no_account_and_only_they(them: People) -> None:
    with pytest.raises(Invalid, match="Staff have no account"):
        user.add(them.northwind, "a@northwind.example", "", Level.STAFF, None, SYSTEM)
    with pytest.raises(Invalid):
        user.add(None, "a@northwind.example", "", Level.ADMIN, None, SYSTEM)


@pytest.mark.parametrize("email", ["", "nobody", "a b@example.com"])
def test_an_email_address_must_be_one(them: People, email: str) -> None:
    with pytest.raises(Invalid, match="not an email address"):
        user.invite(them.owner, email, "", Level.AGENT)


def test_an_email_address_is_somebodys_once_in_whatever_case(them: People) -> None:
    with pytest.raises(Conflict, match="belongs to a user already"):
        user.invite(them.owner, "Owner@Contoso.Example", "", Level.AGENT)


def test_an_invited_user_has_no_password_that_works(them: People) -> None:
    invited = stored(user.invite(them.owner, "new@northwind.example", "New", Level.AGENT))
    assert not invited.has_usable_password()
    assert invited.account_id == them.northwind.id


def test_every_change_is_in_the_trail_with_before_and_after(them: People) -> None:
    user.rename(them.owner, them.agent, "Ada")
    user.change_level(them.owner, them.agent, Level.MANAGER)
    user.set_active(them.owner, them.agent, False)
    user.set_active(them.owner, them.agent, True)
    user.forget_password(them.owner, them.agent)
    lines = AuditEntry.objects.filter(account_id=them.northwind.id, actor_name=them.owner.email).order_by("at")
    assert [(line.action, line.before, line.after) for line in lines] == [
        ("user.rename", {"name": "Agent"}, {"name": "Ada"}),
        ("user.change_level", {"level": "Agent"}, {"level": "Manager"}),
        ("user.deactivate", {"status": "Active"}, {"status": "Deactivated"}),
        ("user.reactivate", {"status": "Deactivated"}, {"status": "Active"}),
        ("user.new_link", None, None),
    ]
    assert {line.target for line in lines} == {"user/agent@northwind.example"}


def test_a_change_to_what_is_already_so_leaves_no_line(them: People) -> None:
    before = AuditEntry.objects.count()
    user.rename(them.owner, them.agent, " Agent ")
    user.change_level(them.owner, them.agent, Level.AGENT)
    user.set_active(them.owner, them.agent, True)
    assert AuditEntry.objects.count() == before


def test_a_refused_change_leaves_no_line(them: People) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(Forbidden):
        user.change_level(them.admin, them.owner, Level.AGENT)
    assert AuditEntry.objects.count() == before
