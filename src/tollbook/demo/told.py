"""Who is told what in the demo: an additional address each, and an endpoint that is switched off, because it is nowhere."""

from tollbook.accounts.audit import OPERATOR_ID, Actor
from tollbook.accounts.tables import Account
from tollbook.alerts import deliver, endpoint, kinds, log, people
from tollbook.alerts.tables import Endpoint

HOOK = "https://erp.northwind.example/billing"


def arrange(accounts: dict[str, Account], actor: Actor) -> None:
    """The address of a bookkeeper, that of the operator's night watch, Northwind's endpoint with a test in its log. Safe to
    repeat. Nothing is sent: the endpoint is off before the worker looks."""
    northwind = accounts["northwind"].id
    people.choose_address(northwind, "bookkeeper@ledgerly.example", ["invoice.issued", "payment.failed"], actor)
    people.choose_address(OPERATOR_ID, "nightwatch@tollbook.example", ["refill.stopped", "refill.unresolved"], actor)
    if Endpoint.objects.filter(account_id=northwind).exists():
        return
    made, _ = endpoint.add(northwind, HOOK, list(kinds.OF_ACCOUNTS), actor, "ERP")
    log.test(northwind, made.id, actor)
    endpoint.switch(northwind, made.id, False, actor, "Switched off in the demo: the address is nowhere.")
    deliver.send_due()
