"""Staff at the desk, and an account with wallets to work on."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.cast import an_account
from tests.people import person
from tollbook.accounts.tables import Account, AuditEntry, Level, User


@dataclass
class Desk:
    """A member of staff with a browser, and how they fill in forms."""

    client: Client
    staff: User

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(path, query)

    def read(self, path: str, **query: Any) -> str:
        """The words of a page."""
        response = self.client.get(path, query, follow=True)
        assert response.status_code == 200, response.status_code
        return words(response)

    def fill(self, path: str, **values: Any) -> dict[str, Any]:
        """The form at `path` as the browser would post it, with these values typed."""
        form = self.client.get(path).context["form"]
        begun = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
        return {name: value for name, value in (begun | values).items() if value is not None}

    def review(self, path: str, **values: Any) -> HttpResponse:
        """The form filled in and posted."""
        return self.client.post(path, self.fill(path, **values))

    def confirm(self, path: str, review: HttpResponse) -> HttpResponse:
        """The review's button pressed: what its hidden fields hold, and nothing else."""
        assert review.status_code == 200 and "hidden" in review.context, words(review)
        return self.client.post(path, dict(hidden(review)))

    def do(self, path: str, **values: Any) -> HttpResponse:
        """Filled in, reviewed, confirmed."""
        return self.confirm(path, self.review(path, **values))


def words(response: HttpResponse) -> str:
    """A page's main part as somebody reads it."""
    main = response.content.decode().split("<main", 1)[1].split(">", 1)[1].split("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split()).replace(" .", ".").replace(" ,", ",")


def hidden(response: HttpResponse) -> list[tuple[str, str]]:
    """The hidden fields of a page's form, as the browser would post them."""
    main = response.content.decode().split("<main", 1)[1]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', main)
    return [(name, unescape(value)) for name, value in found if name != "csrfmiddlewaretoken"]


def trail(account_id: Any, action: str) -> list[AuditEntry]:
    """The lines of this kind in an account's audit trail, oldest first."""
    return list(AuditEntry.objects.filter(account_id=account_id, action=action).order_by("at"))


@pytest.fixture
def desk(db, static_files) -> Desk:
    staff = person(None, "support", Level.STAFF)
    client = Client()
    client.force_login(staff)
    return Desk(client, staff)


@pytest.fixture
def northwind(db) -> Account:
    return an_account("northwind")
