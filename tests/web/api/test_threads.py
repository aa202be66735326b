"""The threads of the machines' door leave nothing behind on a connection."""

import logging

from django.db import connection, transaction

from tests.databases import Database
from tollbook.rating.tables import CreditType
from tollbook.web.api.threads import DatabaseThreads


def leave_a_transaction_open() -> None:
    transaction.atomic().__enter__()
    CreditType.objects.filter(code="sms").update(name="changed")


def test_a_transaction_that_was_left_open_is_rolled_back_before_the_next_call(db: Database, caplog) -> None:
    with DatabaseThreads(1) as threads:
        threads.submit(leave_a_transaction_open).result()
        told = [record.levelno for record in caplog.records if "left a transaction open" in record.message]
        assert told == [logging.ERROR]
        assert threads.submit(lambda: connection.in_atomic_block).result() is False
        assert threads.submit(lambda: CreditType.objects.get(code="sms").name).result() == "SMS Credit"
        threads.submit(lambda: CreditType.objects.filter(code="sms").update(name="Text")).result()
    assert CreditType.objects.get(code="sms").name == "Text"


def test_a_thread_keeps_no_connection_between_calls(db: Database) -> None:
    with DatabaseThreads(1) as threads:
        threads.submit(lambda: CreditType.objects.count()).result()
        assert threads.submit(lambda: connection.connection is None).result()
