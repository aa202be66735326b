"""Event → bar: API, recorded, debited, in the books, committed, answered; and the open page's stream says so."""

import json
from collections.abc import Iterator
from decimal import Decimal

import httpx
from django.conf import settings
from django.test import Client

from tests.cast import a_rate, an_account, funded, wallet
from tollbook.accounts import key, user
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Level
from tollbook.audit.books import audit


def told(lines: Iterator[str]) -> Iterator[dict]:
    """The wallets in each `gauges` message of the stream, by type."""
    for line in lines:
        if line.startswith("data:"):
            message = json.loads(line[5:])
            if "wallets" in message:
                yield {row["type"]: row for row in message["wallets"]}


def test_a_call_moves_the_bar_of_everyone_who_looks(live: str, client: Client) -> None:
    # A customer with $10.00 of outbound minutes at a dollar a minute, and its owner looking at Minutes/Credits.
    account = an_account()
    a_rate(cents="100", initial=60, step=60)
    funded(account, amount="10")
    owner = user.add(account, "owner@northwind.example", "Olivia", Level.SUPER_ADMIN, None, SYSTEM)
    client.force_login(owner)
    session = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
    _, secret = key.create(account.id, "dialer", ["usage"], SYSTEM)

    with httpx.stream("GET", f"{live}/billing/credits/stream", cookies=session, timeout=20) as stream:
        messages = told(stream.iter_lines())
        assert next(messages)["outbound"]["text"]["percent"] == "0 % used"

        # The switch reports a call of two minutes and a half: three are billed.
        call = {"id": "call-1", "type": "outbound", "quantity": 150, "occurred_at": "2026-11-03T12:00:00Z"}
        authorization = {"Authorization": f"Bearer {secret}"}
        answer = httpx.post(f"{live}/api/v1/usage", json=[call | {"account": "northwind"}], headers=authorization)
        assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}

        # The page hears of it without asking; telling it again moves nothing.
        rows = (message["outbound"] for message in messages if "outbound" in message)
        row = next(row for row in rows if Decimal(row["balance"]) != 10)  # all rows may be told twice at the start
        assert (row["text"]["percent"], row["text"]["balance"]) == ("30 % used", "$7.00")
        again = httpx.post(f"{live}/api/v1/usage", json=[call | {"account": "northwind"}], headers=authorization)
        assert again.json()["duplicates"] == 1
    assert wallet(account).paid == 7
    assert audit() == []
