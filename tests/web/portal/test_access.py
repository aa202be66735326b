"""The Access Control List, the page of those without access, asking for it and deciding, through the browser's eyes."""

import re
from html import unescape

import pytest
from django.core import mail
from django.test import Client, override_settings

from tests.people import People, grant, people
from tollbook.accounts import access, user
from tollbook.accounts.tables import AccessRequest, Area, Level


@pytest.fixture
def them(db) -> People:
    return people()


def as_(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text(response) -> str:
    """The words of a page as somebody reads them."""
    main = response.content.decode().split("<main", 1)[1].split("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split()).replace(" .", ".").replace(" ,", ",")


pytestmark = pytest.mark.usefixtures("static_files")


def test_without_access_the_page_names_who_can_grant_it(them: People) -> None:
    denied = as_(them.admin).get("/billing/")
    assert denied.status_code == 403
    assert "You don't have access to Billing" in text(denied)
    assert (
        "Access to billing pages is granted by a Super-Admin, for the security of your account. "
        "Ask owner@northwind.example or send a request." in text(denied)
    )
    assert "Request access" in text(denied)


def test_the_billing_item_is_there_for_everybody(them: People) -> None:
    for person in (them.owner, them.admin, them.manager, them.agent):
        assert b'<a href="/billing/"' in as_(person).get("/").content


@override_settings(EMAIL_HOST="mail.example")
def test_who_asked_is_told_by_mail_when_there_is_mail(them: People) -> None:
    asked = as_(them.admin).post("/access/request/", {"next": "/billing/"}, follow=True)
    assert "You'll get an email when it is decided." in text(asked)
    as_(them.owner).post(f"/access/requests/{AccessRequest.objects.get().id}/", {"decision": "decline"})
    assert [(sent.to, sent.subject) for sent in mail.outbox] == [
        (["admin@northwind.example"], "Your request for access to Billing was declined")
    ]


def test_a_request_is_made_shown_and_granted_in_one_click(them: People) -> None:
    admin, owner = as_(them.admin), as_(them.owner)
    asked = admin.post("/access/request/", {"next": "/billing/"}, follow=True)
    assert asked.status_code == 403
    assert re.search(r"Requested [A-Z][a-z]{2} \d+, \d\d:\d\d. The decision will show on this page.", text(asked))
    assert "Request access" not in text(asked)
    assert "1 request for access to Billing waits for your decision" in text(owner.get("/"))
    for path in ("/access/requests/", f"/users/{them.admin.id}/acl/", f"/users/{them.admin.id}/"):
        assert "admin@northwind.example" in text(owner.get(path))
        assert f"/access/requests/{AccessRequest.objects.get().id}/" in owner.get(path).content.decode()
    decided = owner.post(f"/access/requests/{AccessRequest.objects.get().id}/", {"decision": "grant"}, follow=True)
    assert "admin@northwind.example may now read Billing" in text(decided)
    assert admin.get("/billing/")["Location"] == "/billing/invoices/"
    assert "No open requests" in text(owner.get("/access/requests/"))


def test_a_declined_request_says_so_and_may_be_made_again(them: People) -> None:
    admin, owner = as_(them.admin), as_(them.owner)
    admin.post("/access/request/")
    owner.post(f"/access/requests/{AccessRequest.objects.get().id}/", {"decision": "decline"})
    denied = admin.get("/billing/")
    assert denied.status_code == 403
    assert "Your last request was declined" in text(denied)
    assert "Request access" in text(denied)


def test_neither_grant_nor_decline_decides_nothing(them: People) -> None:
    as_(them.admin).post("/access/request/")
    answer = as_(them.owner).post(f"/access/requests/{AccessRequest.objects.get().id}/", {"decision": ""})
    assert answer.status_code == 400
    assert AccessRequest.objects.get().state == "open"


def test_asking_twice_makes_one_request(them: People) -> None:
    admin = as_(them.admin)
    admin.post("/access/request/")
    admin.post("/access/request/")
    assert AccessRequest.objects.count() == 1


def test_asking_never_leads_to_another_site(them: People) -> None:
    asked = as_(them.admin).post("/access/request/", {"next": "https://evil.example/"})
    assert asked["Location"] == "/billing/"


def test_a_request_of_another_account_is_not_there(them: People) -> None:
    request = access.ask(them.admin)
    assert as_(them.stranger).post(f"/access/requests/{request.id}/", {"decision": "grant"}).status_code == 404
    assert "admin@northwind" not in text(as_(them.stranger).get("/access/requests/"))


def test_a_super_admin_sets_the_list(them: People) -> None:
    owner = as_(them.owner)
    page = owner.get(f"/users/{them.admin.id}/acl/")
    for row in ("Invoice History", "Subscriptions", "Minutes/Credits", "Payments and refills"):
        assert row in text(page)
    ticks = {"invoices.read": "on", "credits.read": "on", "credits.write": "on"}
    owner.post(f"/users/{them.admin.id}/acl/", ticks)
    assert access.rights(them.admin) == {
        Area.INVOICES: access.READ, Area.SUBSCRIPTIONS: access.NONE,
        Area.CREDITS: access.ALL, Area.PAYMENTS: access.NONE,
    }  # fmt: skip
    owner.post(f"/users/{them.admin.id}/acl/", {})
    assert set(access.rights(them.admin).values()) == {access.NONE}


def test_write_without_read_is_refused_and_what_was_ticked_stays(them: People) -> None:
    answer = as_(them.owner).post(f"/users/{them.admin.id}/acl/", {"credits.write": "on"})
    assert answer.status_code == 400
    assert "Write without Read makes no sense" in text(answer)
    assert re.search(r'name="credits.write"[^>]*checked', answer.content.decode())
    assert access.rights(them.admin)[Area.CREDITS] == access.NONE


def test_who_is_not_super_admin_reads_the_list_and_can_not_change_it(them: People) -> None:
    grant(them.owner, them.admin, credits="rw")
    admin = as_(them.admin)
    page = admin.get(f"/users/{them.agent.id}/acl/")
    assert "Only a Super-Admin can change this. Ask owner@northwind.example" in text(page)
    assert b"checkbox" not in page.content
    assert admin.post(f"/users/{them.agent.id}/acl/", {"credits.read": "on"}).status_code == 403
    assert access.rights(them.agent)[Area.CREDITS] == access.NONE


def test_billing_opens_on_the_first_tab_that_may_be_read(them: People) -> None:
    grant(them.owner, them.admin, subscriptions="r", credits="r")
    assert as_(them.admin).get("/billing/")["Location"] == "/billing/subscriptions/"
    assert as_(them.owner).get("/billing/")["Location"] == "/billing/invoices/"


def test_payments_alone_have_no_tab_and_open_nothing(them: People) -> None:
    grant(them.owner, them.admin, payments="rw")
    assert as_(them.admin).get("/billing/").status_code == 403


def test_coins_lead_to_minutes_and_credits(them: People) -> None:
    assert as_(them.owner).get("/coins/")["Location"] == "/billing/credits/"


def test_the_start_page_shows_figures_only_to_who_may_read_them(them: People) -> None:
    assert "Prepaid credit" in text(as_(them.owner).get("/"))
    assert "Prepaid credit" not in text(as_(them.admin).get("/"))
    grant(them.owner, them.admin, credits="r")
    start = text(as_(them.admin).get("/"))
    assert "Prepaid credit" in start
    assert "Amount due" not in start


def test_users_lists_everybody_of_the_account_and_nobody_else(them: People) -> None:
    page = text(as_(them.manager).get("/users/"))
    for person in (them.owner, them.admin, them.manager, them.agent):
        assert person.email in page
    assert "contoso" not in page
    assert "support@" not in page


def test_agents_do_not_see_users(them: People) -> None:
    agent = as_(them.agent)
    assert agent.get("/users/").status_code == 403
    assert b'href="/users/"' not in agent.get("/").content
    assert b'href="/users/"' in as_(them.manager).get("/").content


def test_a_user_of_another_account_is_not_there(them: People) -> None:
    owner = as_(them.owner)
    for path in ("", "acl/"):
        assert owner.get(f"/users/{them.stranger.id}/{path}").status_code == 404
    for path in ("", "acl/", "active/", "link/"):
        assert owner.post(f"/users/{them.stranger.id}/{path}", {"active": "off"}).status_code == 404
    assert user.find(them.contoso.id, them.stranger.id).is_active


def test_name_and_level_are_changed_together_or_not_at_all(them: People) -> None:
    admin = as_(them.admin)
    admin.post(f"/users/{them.agent.id}/", {"name": "Ada", "level": "manager"})
    changed = user.find(them.northwind.id, them.agent.id)
    assert (changed.name, changed.level) == ("Ada", Level.MANAGER)
    refused = admin.post(f"/users/{them.agent.id}/", {"name": "Eve", "level": "super_admin"})
    assert "Select a valid choice" in text(refused)
    assert user.find(them.northwind.id, them.agent.id).name == "Ada"


def test_the_level_above_is_refused_also_when_the_form_is_forged(them: People) -> None:
    manager = as_(them.manager)
    assert manager.post(f"/users/{them.admin.id}/", {"name": "x", "level": "agent"}).status_code == 403
    assert manager.post(f"/users/{them.admin.id}/active/", {"active": "off"}).status_code == 403
    assert manager.post(f"/users/{them.manager.id}/", {"name": "x", "level": "agent"}).status_code == 403


def test_the_last_super_admin_stays(them: People) -> None:
    answer = as_(them.owner).post(f"/users/{them.owner.id}/active/", {"active": "off"})
    assert answer.status_code == 409 or "last active Super-Admin" in text(answer)
    assert user.find(them.northwind.id, them.owner.id).is_active


def invited(client: Client, **form: str):
    return client.post("/users/new/", {"name": "", "level": "agent"} | form)


def link_on(page) -> str:
    return unescape(re.search(r'value="http://testserver([^"]+)"', page.content.decode())[1])


def test_an_invitation_shows_a_link_once_that_sets_a_password_once(them: People) -> None:
    page = invited(as_(them.manager), email="new@northwind.example", name="New")
    link = link_on(page)
    newcomer = Client()
    form = newcomer.get(link, follow=True)
    assert "Choose a new password" in text(form)
    words = {"password1": "quite another phrase", "password2": "quite another phrase"}
    assert "Your password is changed" in text(newcomer.post(form.redirect_chain[-1][0], words, follow=True))
    newcomer.post("/sign-in/", {"login": "new@northwind.example", "password": "quite another phrase"})
    assert newcomer.get("/").status_code == 200
    assert "can't be used any more" in text(Client().get(link, follow=True))


def test_a_weak_password_is_refused(them: People) -> None:
    link = link_on(invited(as_(them.manager), email="new@northwind.example"))
    newcomer = Client()
    where = newcomer.get(link, follow=True).redirect_chain[-1][0]
    answer = newcomer.post(where, {"password1": "short", "password2": "short"})
    assert "This password is too short. It must contain at least 12 characters." in text(answer)


def test_nobody_is_invited_above_ones_own_level_or_twice(them: People) -> None:
    manager = as_(them.manager)
    assert "Select a valid choice" in text(invited(manager, email="new@northwind.example", level="admin"))
    taken = invited(manager, email="OWNER@contoso.example")
    assert taken.status_code == 409
    assert "This email address belongs to a user already." in text(taken)
    assert 'value="OWNER@contoso.example"' in taken.content.decode()


def test_a_new_link_ends_the_old_password_and_its_sessions(them: People) -> None:
    agent = as_(them.agent)
    assert agent.get("/").status_code == 200
    page = as_(them.manager).post(f"/users/{them.agent.id}/link/")
    assert page.status_code == 200
    assert agent.get("/").status_code == 302
    assert "Choose a new password" in text(Client().get(link_on(page), follow=True))


def test_a_link_is_refused_for_who_has_rights_that_one_lacks(them: People) -> None:
    grant(them.owner, them.agent, invoices="r")
    assert as_(them.admin).post(f"/users/{them.agent.id}/link/").status_code == 403
    assert as_(them.owner).post(f"/users/{them.agent.id}/link/").status_code == 200


def test_the_audit_trail_tells_who_changed_what_to_super_admins(them: People) -> None:
    as_(them.owner).post(f"/users/{them.agent.id}/", {"name": "Agent", "level": "manager"})
    page = text(as_(them.owner).get("/audit/"))
    assert "owner@northwind.example Level changed agent@northwind.example Level: Agent → Manager" in page
    assert as_(them.admin).get("/audit/").status_code == 403


def test_what_waits_for_a_super_admin_is_counted_at_the_menu(them: People) -> None:
    access.ask(them.admin)
    access.ask(them.agent)
    badge = '<span class="badge">2<span class="visually-hidden"> requests for access</span></span>'
    assert as_(them.owner).get("/").content.decode().count(badge) == 2
    for other in (them.admin, them.stranger):
        assert "badge" not in as_(other).get("/").content.decode()


def test_the_audit_trail_is_paged(them: People) -> None:
    for level in ("manager", "agent") * 13:
        user.change_level(them.owner, them.agent, level)
    owner = as_(them.owner)
    assert "1-25 of" in text(owner.get("/audit/"))
    assert "26-" in text(owner.get("/audit/?page=2"))


def test_times_are_in_the_accounts_zone(them: People) -> None:
    assert b"Times are in America/New_York." in as_(them.owner).get("/").content
