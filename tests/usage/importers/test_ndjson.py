"""Tollbook's own format."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.usage.importers.reading import read, read_one
from tollbook.usage.importers.row import Reading


def event(**changes: Any) -> str:
    base = {"id": "m-1", "type": "sms", "quantity": "2", "occurred_at": "2026-11-03T14:00:07Z", "to": "12125550142"}
    return json.dumps({key: value for key, value in (base | changes).items() if value is not None}) + "\n"


def test_a_line_is_the_event_it_says():
    found = read_one("tollbook", event(**{"from": "18005550100", "attributes": {"campaign": "spring"}})).event
    assert (found.id, found.type, found.quantity) == ("m-1", "sms", Decimal(2))
    assert found.occurred_at == datetime(2026, 11, 3, 14, 0, 7, tzinfo=UTC)
    assert (found.to, found.sender, found.attributes) == ("12125550142", "18005550100", {"campaign": "spring"})


@pytest.mark.parametrize("quantity", ["61.25", 61.25])
def test_a_quantity_is_exact_as_text_or_number(quantity):
    assert read_one("tollbook", event(quantity=quantity)).event.quantity == Decimal("61.25")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ""}, "id is empty"),
        ({"id": "x" * 201}, "longer than 200"),
        ({"id": "a\u0000b"}, "not text"),
        ({"id": None}, "missing required field `id`"),
        ({"quantity": "-1"}, "quantity must be"),
        ({"quantity": "NaN"}, "quantity must be"),
        ({"quantity": "Infinity"}, "quantity must be"),
        ({"quantity": "1e12"}, "quantity must be"),
        ({"quantity": "0.0000001"}, "more than 6 places"),
        ({"occurred_at": "2026-11-03T14:00:07"}, "names no zone"),
        ({"occurred_at": "yesterday"}, "not an event"),
        ({"amount": 3}, "unknown field `amount`"),
        ({"account": "contoso"}, "another account"),
        ({"to": "\ud800"}, "not"),
    ],
)
def test_what_is_no_event_is_an_error_that_says_why(changes, reason):
    assert reason in read_one("tollbook", event(**changes), Reading(account="northwind")).error


def test_the_account_may_be_named_when_it_is_the_one_imported_into():
    assert read_one("tollbook", event(account="northwind"), Reading(account="northwind")).event


def test_bytes_that_are_not_utf_8_are_an_error_in_our_own_format():
    assert read_one("tollbook", event(to="?").encode().replace(b"?", b"\xff")).error == "holds bytes that are not UTF-8"


def test_a_bad_line_does_not_block_the_others():
    rows = read("tollbook", event(id="a") + "{\n\n" + event(id="b"))
    assert [(row.line, bool(row.event)) for row in rows] == [(1, True), (2, False), (4, True)]
