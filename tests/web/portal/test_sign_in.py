"""Signing in and out, and the way back to the page that was asked for."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client, override_settings

from tests.people import PASSWORD, People, people
from tollbook.accounts import user


@pytest.fixture
def them(db) -> People:
    cache.clear()  # what was counted against guessing
    mail.outbox.clear()
    return people()


def sign_in(client: Client, email: str, password: str = PASSWORD, back: str = "/"):
    return client.post("/sign-in/", {"login": email, "password": password, "next": back})


def test_a_page_sends_who_is_not_signed_in_to_sign_in_and_back(client: Client, them: People) -> None:
    asked = client.get("/users/?rows=50")
    assert (asked.status_code, asked["Location"]) == (302, "/sign-in/?next=%2Fusers%2F%3Frows%3D50")
    assert b"You will return to the page you asked for" in client.get(asked["Location"]).content
    signed_in = sign_in(client, "Owner@Northwind.example", back="/users/?rows=50")
    assert (signed_in.status_code, signed_in["Location"]) == (302, "/users/?rows=50")
    assert client.get("/users/").status_code == 200


def test_nobody_is_led_to_another_site_after_signing_in(client: Client, them: People) -> None:
    assert sign_in(client, them.owner.email, back="https://evil.example/")["Location"] == "/"


def test_a_form_sent_after_the_session_was_lost_leads_back_to_its_page(client: Client, them: People) -> None:
    page = f"http://testserver/users/{them.agent.id}/"
    lost = client.post(f"/users/{them.agent.id}/active/", {"active": "off"}, headers={"Referer": page})
    assert lost["Location"] == f"/sign-in/?next=%2Fusers%2F{them.agent.id}%2F"
    foreign = client.post("/access/request/", headers={"Referer": "https://evil.example/x"})
    assert foreign["Location"] == "/sign-in/?next=%2F"


def test_a_wrong_password_says_no_more_than_that(client: Client, them: People) -> None:
    wrong = sign_in(client, them.owner.email, "wrong")
    unknown = sign_in(client, "nobody@northwind.example", "wrong")
    assert wrong.status_code == unknown.status_code == 200
    sentence = b"The email address and/or password you specified are not correct."
    assert sentence in wrong.content and sentence in unknown.content


def test_guessing_a_password_is_stopped_after_five_attempts(client: Client, them: People) -> None:
    for _ in range(5):
        sign_in(client, them.admin.email, "wrong")
    assert b"Too many failed login attempts" in sign_in(client, them.admin.email).content
    assert client.get("/users/").status_code == 302


def test_signing_out_takes_a_post_and_ends_the_session(client: Client, them: People) -> None:
    client.force_login(them.owner)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_signing_out_needs_the_form_of_our_own_page(them: People, static_files: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(them.owner)
    assert client.post("/sign-out/").status_code == 403
    assert client.post(f"/users/{them.agent.id}/active/", {"active": "off"}).status_code == 403
    assert client.get("/").status_code == 200


def test_a_deactivated_user_loses_the_session_at_the_next_request(client: Client, them: People) -> None:
    client.force_login(them.agent)
    assert client.get("/").status_code == 200
    user.set_active(them.owner, them.agent, False)
    assert client.get("/")["Location"] == "/sign-in/?next=%2F"
    assert sign_in(client, them.agent.email)["Location"] == "/sign-in/switched-off/"
    assert b"Your sign-in is switched off" in client.get("/sign-in/switched-off/").content


def test_staff_are_sent_to_the_desk(client: Client, them: People) -> None:
    client.force_login(them.staff)
    assert client.get("/")["Location"] == client.get("/users/")["Location"] == "/desk/"


def test_nobody_signs_up(client: Client, them: People) -> None:
    assert client.get("/sign-up/").status_code == 404
    assert b"sign-up" not in client.get("/sign-in/").content


def test_passwords_are_changed_by_who_knows_the_old_one(client: Client, them: People) -> None:
    client.force_login(them.agent)
    new = {"oldpassword": PASSWORD, "password1": "quite another phrase", "password2": "quite another phrase"}
    assert client.post("/password/", new).status_code == 302
    assert client.get("/").status_code == 200
    client.post("/sign-out/")
    assert sign_in(client, them.agent.email, "quite another phrase")["Location"] == "/"


@pytest.mark.parametrize("path", ["/sign-in/", "/sign-in/switched-off/", "/password/reset/", "/password/reset/sent/"])
def test_the_pages_around_signing_in_stand_in_the_frame(client: Client, them: People, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert b"<main" in page.content and b"/brand.css" in page.content


def test_without_mail_nobody_is_told_to_wait_for_one(client: Client, them: People) -> None:
    assert b"does not send email yet" in client.get("/password/reset/").content


@override_settings(EMAIL_HOST="mail.example")
def test_a_forgotten_password_is_set_anew_by_a_link_in_a_mail(client: Client, them: People) -> None:
    assert client.post("/password/reset/", {"email": them.agent.email})["Location"] == "/password/reset/sent/"
    assert [one.to for one in mail.outbox] == [[them.agent.email]]
    assert "Somebody, probably you, asked for a new password for agent@northwind.example." in mail.outbox[0].body
    link = re.search(r"http://testserver(/password/set/\S+)", mail.outbox[0].body)[1]
    assert b"Choose a new password" in client.get(link, follow=True).content


@override_settings(EMAIL_HOST="mail.example")
def test_who_has_no_user_here_is_not_told_so_and_gets_no_mail(client: Client, them: People) -> None:
    assert client.post("/password/reset/", {"email": "nobody@x.example"})["Location"] == "/password/reset/sent/"
    assert mail.outbox == []
