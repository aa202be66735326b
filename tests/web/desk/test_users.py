"""People: adding, changing, deactivating, by staff."""

import re

import pytest
from django.test import Client

from tests.people import person
from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account, Level, User

NEW = "/desk/users/new/"
ADA = {"account": "northwind", "email": "ada@northwind.example", "name": "Ada", "level": "super_admin"}


def at(one: User, page: str = "") -> str:
    return f"/desk/users/{one.id}/{page}"


def test_a_user_is_added_after_a_review_and_sets_a_password_by_the_link(desk: Desk, northwind: Account) -> None:
    review = desk.review(NEW, **ADA)
    assert "Super-Admin of Northwind." in words(review)
    assert not User.objects.filter(email=ADA["email"]).exists()
    page = desk.confirm(NEW, review)
    added = User.objects.get(email=ADA["email"])
    assert (added.account_id, added.level) == (northwind.id, Level.SUPER_ADMIN)
    link = re.search(r'value="(http://[^"]+)"', page.content.decode())
    assert link and Client().get(link[1], follow=True).status_code == 200
    [line] = trail(northwind.id, "user.add")
    assert line.actor_name == desk.staff.email
    assert "User added" in desk.read(at(added)) and "ada@northwind.example" in desk.read("/desk/accounts/northwind/")


def test_a_confirmation_sent_twice_adds_one(desk: Desk, northwind: Account) -> None:
    review = desk.review(NEW, **ADA)
    desk.confirm(NEW, review)
    assert desk.confirm(NEW, review).status_code == 409
    assert User.objects.filter(email=ADA["email"]).count() == 1


def test_staff_are_added_without_an_account(desk: Desk) -> None:
    review = desk.review(NEW, email="sam@tollbook.example", level="staff", account="", name="")
    assert "Staff see and change every account, as you do." in words(review)
    desk.confirm(NEW, review)
    assert User.objects.get(email="sam@tollbook.example").account_id is None
    [*_, line] = trail(OPERATOR_ID, "user.add")
    assert line.target == "user/sam@tollbook.example"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"account": "nobody"}, "There is no account “nobody”."),
        ({"account": ""}, "Staff have no account; everybody else has one."),
        ({"level": "staff"}, "Staff have no account; everybody else has one."),
        ({"level": "king"}, "Select a valid choice"),
        ({"email": "ada"}, "valid email address"),
        ({"email": "SUPPORT@tollbook.example"}, "belongs to a user already"),
    ],
)
def test_nonsense_adds_nobody(desk: Desk, northwind: Account, typed: dict[str, str], says: str) -> None:
    answer = desk.review(NEW, **ADA | typed)
    assert answer.status_code in (400, 409) and says in words(answer)
    assert User.objects.count() == 1


def test_level_and_name_change_after_a_review(desk: Desk, northwind: Account) -> None:
    ada = person(northwind, "ada", Level.AGENT)
    review = desk.review(at(ada, "edit/"), level="admin", name="Ada King")
    assert "Level Agent Admin" in words(review)
    ada.refresh_from_db()
    assert ada.level == Level.AGENT
    desk.confirm(at(ada, "edit/"), review)
    ada.refresh_from_db()
    assert (ada.level, ada.name) == (Level.ADMIN, "Ada King")
    assert [line.after for line in trail(northwind.id, "user.change_level")] == [{"level": "Admin"}]


def test_the_last_super_admin_stays_one_and_the_review_says_so(desk: Desk, northwind: Account) -> None:
    owner = person(northwind, "owner", Level.SUPER_ADMIN)
    refused = desk.review(at(owner, "edit/"), level="agent")
    assert refused.status_code == 409 and "last active Super-Admin" in words(refused)
    assert desk.client.post(at(owner, "active/") + "?to=off").status_code == 409
    owner.refresh_from_db()
    assert (owner.level, owner.is_active) == (Level.SUPER_ADMIN, True)


def test_deactivating_asks_first_and_a_repeated_click_changes_nothing_back(desk: Desk, northwind: Account) -> None:
    ada, path = person(northwind, "ada", Level.AGENT), None
    path = at(ada, "active/") + "?to=off"
    assert "Deactivate ada@northwind.example" in words(desk.client.get(path))
    ada.refresh_from_db()
    assert ada.is_active
    for _ in range(2):
        assert desk.client.post(path).status_code == 302
    ada.refresh_from_db()
    assert not ada.is_active
    assert len(trail(northwind.id, "user.deactivate")) == 1
    desk.client.post(at(ada, "active/") + "?to=on")
    ada.refresh_from_db()
    assert ada.is_active


def test_the_review_posts_to_the_very_address_that_says_which(desk: Desk, northwind: Account) -> None:
    ada = person(northwind, "ada", Level.AGENT)
    page = desk.client.get(at(ada, "active/") + "?to=on").content.decode()
    assert f'action="{at(ada, "active/")}?to=on"' in page


def test_a_new_link_ends_the_password_only_when_confirmed(desk: Desk, northwind: Account) -> None:
    ada = person(northwind, "ada", Level.AGENT)
    assert "present password and open sessions end" in words(desk.client.get(at(ada, "link/")))
    ada.refresh_from_db()
    assert ada.has_usable_password()
    assert "/password/set/" in desk.client.post(at(ada, "link/")).content.decode()
    ada.refresh_from_db()
    assert not ada.has_usable_password()


def test_nobody_changes_themselves(desk: Desk) -> None:
    assert "This is you." in desk.read(at(desk.staff))
    assert desk.client.post(at(desk.staff, "active/") + "?to=off").status_code == 403
    assert desk.client.post(at(desk.staff, "link/")).status_code == 403
    assert desk.review(at(desk.staff, "edit/"), name="King").status_code == 403


def test_users_are_found_by_email_name_and_level(desk: Desk, northwind: Account) -> None:
    person(northwind, "ada", Level.AGENT)
    assert "ada@northwind.example" in desk.read("/desk/users/", q="DA@north")
    assert "ada@northwind.example" not in desk.read("/desk/users/", level="staff")
    assert "Nobody is called that" in desk.read("/desk/users/", q="zzz")
    assert "ada@northwind.example" in desk.read("/desk/search/", q="ada@")


def test_a_user_that_does_not_exist_is_not_found(desk: Desk, northwind: Account) -> None:
    for page in ("", "edit/", "active/", "link/"):
        assert desk.get(f"/desk/users/{northwind.id}/{page}").status_code == 404
