"""API keys: shown once, stored hashed, revocable."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tests.databases import Database
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import check, create, of_account, revoke
from tollbook.accounts.tables import Account, ApiKey, AuditEntry
from tollbook.errors import Invalid, NotFound
from tollbook.postgres.ids import new_id


@pytest.fixture
def account(db: Database) -> Account:
    return open_account(NewAccount("northwind", "Northwind", datetime.now(UTC).date()), SYSTEM)


def test_a_key_is_known_by_its_text_until_it_is_revoked(account: Account) -> None:
    made, text = create(account.id, " switch ", ["usage", "holds"], SYSTEM)
    found = check(text)
    assert found and (found.id, found.account_id, found.name, found.scopes) == (
        made.id, account.id, "switch", ["usage", "holds"],
    )  # fmt: skip
    revoke(account.id, made.id, SYSTEM)
    assert check(text) is None
    revoke(account.id, made.id, SYSTEM)
    trail = AuditEntry.objects.filter(target__startswith="api_key/").order_by("at")
    assert [entry.action for entry in trail] == ["api_key.create", "api_key.revoke"]


def test_only_a_hash_of_the_secret_is_stored(account: Account) -> None:
    made, text = create(account.id, "switch", ["usage"], SYSTEM)
    secret = text.split("_", 2)[2]
    stored = ApiKey.objects.values().get()
    assert bytes(stored["secret_hash"]) == sha256(secret.encode()).digest()
    assert secret not in str(stored) and secret not in str(list(AuditEntry.objects.values()))
    assert len(secret) >= 43


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text.replace("tb_", "sk_"),
        lambda text: text.rsplit("_", 1)[0],
        lambda text: "tb__" + text[3:],
        lambda text: text.upper(),
        lambda text: "tb_\x00_\x00",
        lambda text: "",
    ],
)
def test_anything_else_is_no_key(account: Account, change) -> None:
    text = create(account.id, "switch", ["usage"], SYSTEM)[1]
    assert check(change(text)) is None


def test_the_last_use_is_noted_once_a_minute(account: Account) -> None:
    made, text = create(OPERATOR_ID, "switch", ["usage"], SYSTEM)
    check(text)
    first = ApiKey.objects.get(id=made.id).last_used_at
    check(text)
    assert ApiKey.objects.get(id=made.id).last_used_at == first
    earlier = first - timedelta(minutes=2)
    ApiKey.objects.filter(id=made.id).update(last_used_at=earlier)
    check(text)
    assert ApiKey.objects.get(id=made.id).last_used_at > earlier


def test_a_key_needs_a_name_an_account_and_known_scopes(account: Account) -> None:
    for name, scopes in (("", ["usage"]), ("x" * 101, ["usage"]), ("switch", []), ("switch", ["everything"])):
        with pytest.raises(Invalid):
            create(account.id, name, scopes, SYSTEM)
    with pytest.raises(NotFound):
        create(new_id(), "switch", ["usage"], SYSTEM)
    with pytest.raises(NotFound):
        revoke(account.id, new_id(), SYSTEM)
    assert of_account(account.id) == []
