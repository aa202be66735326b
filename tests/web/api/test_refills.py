"""Manual refills over HTTP: decided once per Idempotency-Key, charged by the worker, never twice."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.test import override_settings

from tests.web.api.conftest import Machine, balance
from tests.web.api.test_door import is_problem
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account, AuditEntry, RememberedAnswer
from tollbook.payments.method import NewMethod, add
from tollbook.payments.tables import Payment
from tollbook.refills.run import run_due
from tollbook.refills.tables import Refill

ADDRESS = "/accounts/northwind/wallets/sms/refills"


@pytest.fixture(autouse=True)
def _gateway() -> Iterator[None]:
    with override_settings(GATEWAYS={"simulated": "tollbook.payments.simulated.Simulated"}):
        yield


@pytest.fixture
def card(northwind: Account) -> None:
    """A card that succeeds."""
    add(northwind.id, NewMethod("simulated", "sim_4242", "Visa", "4242", 12, 2099), SYSTEM)


def asked(machine: Machine, amount: object = "50.00", key: str = "order-1", path: str = ADDRESS):
    return machine.post(path, {"amount": amount}, headers={"Idempotency-Key": key})


def test_a_refill_without_an_idempotency_key_is_refused(machine: Machine, card: None) -> None:
    refused = machine.post(ADDRESS, {"amount": "50.00"})
    assert is_problem(refused, 400, "invalid")
    assert "Idempotency-Key" in refused.json()["detail"]
    assert Refill.objects.count() == 0


def test_a_refill_is_decided_then_charged_once(machine: Machine, northwind: Account, card: None) -> None:
    made = asked(machine)
    assert made.status_code == 202 and made.json()["state"] == "decided", made.text
    assert AuditEntry.objects.get(action="refill.ask").actor_name == "API key switch"
    run_due()
    listed = machine.get(ADDRESS).json()["items"]
    assert [(one["id"], one["state"], one["amount"]) for one in listed] == [(made.json()["id"], "succeeded", "50.00")]
    assert machine.get(f"/accounts/northwind/invoices/{listed[0]['invoice_number']}").json()["status"] == "paid"
    assert balance(northwind, "sms") == 150


def test_the_same_request_twice_buys_once(machine: Machine, northwind: Account, card: None) -> None:
    """lago-api #5870: the same top-up request sent twice bought credit twice."""
    first = asked(machine)
    run_due()
    again = asked(machine)
    assert (again.status_code, again.text) == (202, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    run_due()
    assert balance(northwind, "sms") == 150 and Payment.objects.count() == 1


def test_the_same_key_with_another_amount_is_an_error(machine: Machine, northwind: Account, card: None) -> None:
    """lago-api #5870: same key and other body is an error."""
    asked(machine)
    run_due()
    assert is_problem(asked(machine, "60.00"), 422, "idempotency_conflict")
    assert is_problem(asked(machine, path=ADDRESS.replace("sms", "email")), 422, "idempotency_conflict")
    run_due()
    assert Payment.objects.count() == 1


def test_a_forgotten_answer_still_buys_nothing_again(machine: Machine, northwind: Account, card: None, db) -> None:
    """The answer may be forgotten; the refill itself knows its request."""
    first = asked(machine)
    run_due()
    with db.connect() as connection:
        connection.execute("DELETE FROM remembered_answer")
    again = asked(machine)
    assert again.json()["id"] == first.json()["id"] and again.json()["state"] == "succeeded"
    with db.connect() as connection:
        connection.execute("DELETE FROM remembered_answer")
    assert is_problem(asked(machine, "60.00"), 409, "conflict")
    run_due()
    assert Payment.objects.count() == 1 and RememberedAnswer.objects.count() == 1


def test_a_second_refill_waits_for_the_first(machine: Machine, card: None) -> None:
    asked(machine)
    assert is_problem(asked(machine, key="order-2"), 409, "refill_under_way")
    run_due()
    assert asked(machine, key="order-3").status_code == 202


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "1e30", "many", None, True])
def test_an_amount_that_no_card_can_be_charged_is_refused(machine: Machine, card: None, amount) -> None:
    assert is_problem(asked(machine, amount), 400, "invalid")
    assert Refill.objects.count() == 0


def test_without_a_card_nothing_is_decided(machine: Machine) -> None:
    assert is_problem(asked(machine), 409, "refill_stopped")
    assert Refill.objects.count() == 0


def test_a_json_number_is_an_exact_amount(machine: Machine, card: None) -> None:
    made = machine.call(
        "POST", ADDRESS, content=b'{"amount": 50.10}', headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
    )
    assert made.json()["amount"] == "50.10"
    assert Refill.objects.get().amount == Decimal("50.10")
