"""What `@page` does around a view, whatever the view."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import RequestFactory
from django.utils import timezone, translation

from tests.people import People, grant, people
from tollbook.accounts.access import ALL
from tollbook.accounts.tables import AccessRequest, Account, Area, Level, User
from tollbook.errors import Conflict, Forbidden, Invalid
from tollbook.postgres.ids import new_id
from tollbook.postgres.scope import ENGINE_ROLE, PORTAL_ROLE
from tollbook.web.portal.page import chosen, page

pytestmark = pytest.mark.usefixtures("static_files")


@pytest.fixture
def them(db) -> People:
    return people()


def ask(view: Callable[..., HttpResponse], user: object, method: str = "GET", **form: str) -> HttpResponse:
    request = RequestFactory().generic(method, "/somewhere/?q=1")
    request.user = user
    return view(request)


def role() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return cursor.fetchone()[0]


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{role()} {request.account.slug} {timezone.get_current_timezone_name()}")


def test_a_view_runs_as_the_portals_role_in_its_account_and_zone(them: People) -> None:
    assert ask(page()(who), them.agent).content == f"{PORTAL_ROLE} northwind America/New_York".encode()
    assert (role(), timezone.get_current_timezone_name()) == (ENGINE_ROLE, "UTC")


def test_the_accounts_language_is_spoken(them: People) -> None:
    Account.objects.filter(id=them.northwind.id).update(locale="de")
    agent = User.objects.get(id=them.agent.id)
    assert ask(page()(lambda request: HttpResponse(translation.get_language())), agent).content == b"de"
    assert translation.get_language() == "en-us"


def test_a_template_is_rendered_while_only_the_account_can_be_seen(them: People) -> None:
    template = engines["django"].from_string("{{ users.count }} {{ role }}")

    def listed(request: HttpRequest) -> HttpResponse:
        return TemplateResponse(request, template, {"users": User.objects.all(), "role": role})

    assert ask(page()(listed), them.agent).content == f"4 {PORTAL_ROLE}".encode()


def test_what_a_view_did_is_taken_back_when_it_fails(them: People) -> None:
    @page(methods="POST")
    def fails(request: HttpRequest) -> HttpResponse:
        AccessRequest.objects.create(
            account_id=request.account.id, id=new_id(), user_id=request.user.id, requested_at=timezone.now()
        )
        raise Conflict("no")

    with pytest.raises(Conflict):
        ask(fails, them.agent, "POST")
    assert not AccessRequest.objects.exists()
    assert role() == ENGINE_ROLE


def test_an_answer_that_streams_may_not_outlive_its_scope(them: People) -> None:
    with pytest.raises(RuntimeError, match="scope=False"):
        ask(page()(lambda request: StreamingHttpResponse([b"x"])), them.agent)


def test_outside_the_scope_the_checks_are_the_same(them: People) -> None:
    guarded = page(area=Area.CREDITS, scope=False)(who)
    assert ask(guarded, them.agent).status_code == 403
    assert ask(guarded, them.owner).content == f"{ENGINE_ROLE} northwind America/New_York".encode()
    assert ask(page(scope=False)(lambda request: StreamingHttpResponse([b"x"])), them.owner).streaming


def test_nobody_gets_as_far_as_the_view_without_its_right(them: People) -> None:
    def never(request: HttpRequest) -> HttpResponse:
        raise AssertionError("the view was reached")

    for user, method in ((AnonymousUser(), "GET"), (them.staff, "GET"), (them.agent, "GET"), (them.owner, "PUT")):
        assert ask(page(area=Area.CREDITS)(never), user, method).status_code in (302, 403, 405)
    with pytest.raises(Forbidden):
        ask(page(level=Level.SUPER_ADMIN)(never), them.admin)


def test_whoever_may_only_read_changes_nothing_and_learns_whom_to_ask(them: People) -> None:
    grant(them.owner, them.admin, credits="r")
    guarded = page(area=Area.CREDITS, methods="GET POST")(who)
    assert ask(guarded, them.admin).status_code == 200
    with pytest.raises(Forbidden, match="You may look at Minutes/Credits.*Ask owner@northwind.example for Write"):
        ask(guarded, them.admin, "POST")
    with pytest.raises(Forbidden):
        ask(page(area=Area.CREDITS, write=True)(who), them.admin)
    grant(them.owner, them.admin, credits="rw")
    assert ask(guarded, them.admin, "POST").status_code == 200


def test_any_of_several_areas_is_enough(them: People) -> None:
    grant(them.owner, them.admin, invoices="r")
    guarded = page(area=(Area.CREDITS, Area.INVOICES))(who)
    assert ask(guarded, them.admin).status_code == 200
    assert ask(guarded, them.agent).status_code == 403


def test_the_rights_are_on_the_request_also_for_templates(them: People) -> None:
    seen = {}
    ask(page()(lambda request: HttpResponse(str(seen.update(request.rights)))), them.owner)
    assert seen["credits"] == ALL


def test_a_form_without_a_known_choice_does_nothing_by_default() -> None:
    request = RequestFactory().post("/", {"decision": "maybe"})
    with pytest.raises(Invalid):
        chosen(request, "decision", {"grant": True})
    with pytest.raises(Invalid):
        chosen(request, "nothing", {"grant": True})
