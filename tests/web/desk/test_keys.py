"""API keys: made, shown once, revoked."""

import re

from tests.web.desk.conftest import Desk, trail, words
from tollbook.accounts import key
from tollbook.accounts.audit import OPERATOR_ID
from tollbook.accounts.tables import Account, ApiKey

NEW = "/desk/keys/new/"


def test_a_key_is_shown_once_and_works(desk: Desk, northwind: Account) -> None:
    fields = desk.fill(NEW, account="northwind", name="dialer-2", scopes=["usage", "holds"])
    page = desk.client.post(NEW, fields)
    text = re.search(r'value="(tb_[^"]+)"', page.content.decode())
    assert text and key.check(text[1]).account_id == northwind.id
    again = desk.client.post(NEW, fields)
    assert again.status_code == 409 and "its text was shown then" in words(again)
    assert ApiKey.objects.count() == 1 and len(trail(northwind.id, "api_key.create")) == 1
    for listed in ("/desk/keys/", "/desk/accounts/northwind/"):
        assert "dialer-2" in desk.read(listed) and text[1] not in desk.read(listed)


def test_a_key_is_revoked_after_a_question(desk: Desk) -> None:
    page = desk.client.post(NEW, desk.fill(NEW, name="switch", scopes=["read"]))
    text = re.search(r'value="(tb_[^"]+)"', page.content.decode())[1]
    path = f"/desk/keys/{ApiKey.objects.get().id}/revoke/"
    assert "never works again" in words(desk.client.get(path))
    assert key.check(text)
    for _ in range(2):
        assert desk.client.post(path).status_code == 302
    assert key.check(text) is None
    assert len(trail(OPERATOR_ID, "api_key.revoke")) == 1
    assert "Revoked" in desk.read("/desk/keys/")


def test_nonsense_makes_no_key(desk: Desk) -> None:
    for typed in ({"name": "", "scopes": ["read"]}, {"name": "x"}, {"name": "x", "scopes": ["all"]}):
        assert desk.client.post(NEW, desk.fill(NEW, **typed)).status_code == 400
    assert ApiKey.objects.count() == 0


def test_an_unknown_key_is_not_found(desk: Desk, northwind: Account) -> None:
    assert desk.get(f"/desk/keys/{northwind.id}/revoke/").status_code == 404
