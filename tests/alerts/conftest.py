"""An account that is told things, a web server and a mail server that take them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

pytest.register_assert_rewrite("tests.alerts.receivers", "tests.refills.shop")

from tests.alerts.receivers import MailServer, Receiver, mailing, open_to_this_machine, receiving  # noqa: E402
from tests.databases import Database  # noqa: E402
from tests.people import person  # noqa: E402
from tests.refills.shop import OWNER, Shop, gateway_is  # noqa: E402
from tollbook.accounts.tables import Level, User  # noqa: E402
from tollbook.alerts import deliver, endpoint, kinds, notify  # noqa: E402
from tollbook.alerts.tables import Delivery, Endpoint, Notice  # noqa: E402


@pytest.fixture(autouse=True)
def _gateways() -> Iterator[None]:
    with gateway_is():
        yield


@pytest.fixture
def shop(db: Database) -> Shop:
    """An account with wallets and rates, and nobody in it."""
    return Shop(db)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server that webhooks may go to."""
    with receiving() as made, open_to_this_machine():
        yield made


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """The operator's mail server."""
    with mailing() as made:
        yield made


@dataclass
class Told:
    """The account as alerts see it."""

    shop: Shop
    owner: User

    @property
    def id(self) -> UUID:
        return self.shop.id

    def hook(self, url: str, *wanted: str) -> tuple[Endpoint, str]:
        """An endpoint for all kinds, or for these; and its secret."""
        return endpoint.add(self.id, url, wanted or list(kinds.OF_ACCOUNTS), OWNER)

    def look(self) -> int:
        return notify.look()

    def send(self) -> int:
        return deliver.send_due()

    def notices(self, kind: str = "") -> list[Notice]:
        rows = Notice.objects.filter(account_id=self.id).order_by("id")
        return list(rows.filter(kind=kind) if kind else rows)

    def deliveries(self, **wanted: Any) -> list[Delivery]:
        return list(Delivery.objects.filter(account_id=self.id, **wanted).order_by("id"))

    def later(self, **duration: float) -> None:
        """Let time pass for what waits to be sent."""
        with self.shop.db.connect("owner") as owner:
            step = timedelta(**duration)
            owner.execute("UPDATE alert_delivery SET due_at = due_at - %(s)s, made_at = made_at - %(s)s", {"s": step})
            owner.execute("UPDATE alert_endpoint SET succeeded_at = succeeded_at - %(s)s", {"s": step})


@pytest.fixture
def told(shop: Shop) -> Told:
    """An account whose Super-Admin gets what is usual; what happened until now is not told."""
    owner = person(shop.account, "owner", Level.SUPER_ADMIN)
    notify.look()
    return Told(shop, owner)
