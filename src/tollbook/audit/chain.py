"""Recomputes each wallet's hash chain, its running balance, and the digest of what usage transfers consist of."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from tollbook.ledger.chain import GENESIS, Sealed, digest
from tollbook.postgres.named import load
from tollbook.usage import details
from tollbook.usage.details import Detail

SQL = load(__file__)
PAGE = 2_000
NOT_SEALED = "its events are not the ones it was sealed with"


def broken(account_id: UUID) -> Iterator[tuple[str, str, str]]:
    """Rule, row and what is wrong, at the first break of each wallet's chain.

    Transaction: the caller's, REPEATABLE READ (server-side cursors need one). Memory: one page of transfers.
    """
    links = _stream("links", account_id)
    for wallet_id, chain in groupby(links, key=lambda link: link["wallet_id"]):
        fault = _first_break(account_id, wallet_id, chain)
        if fault:
            yield fault
    yield from _wrong_details(account_id)


def _first_break(account_id: UUID, wallet_id: UUID, chain: Iterator[dict[str, Any]]) -> tuple[str, str, str] | None:
    previous, balance = GENESIS, Decimal(0)
    for expected, link in enumerate(chain, 1):
        row = f"transfer {link['id']}"
        if link["wallet_seq"] != expected:
            return "chain_has_no_gap", row, f"is number {link['wallet_seq']} of its wallet where {expected} was due"
        if link["balance_before"] != balance:
            return "balances_run_on", row, f"begins at {link['balance_before']}, the one before ended at {balance}"
        if bytes(link["digest"]) != digest(previous, _sealed(account_id, wallet_id, link)):
            return "chain_is_intact", row, "its digest does not seal what stands in the books"
        previous, balance = bytes(link["digest"]), link["balance_after"]
    return None


def _sealed(account_id: UUID, wallet_id: UUID, link: dict[str, Any]) -> Sealed:
    return Sealed(
        account_id=account_id,
        wallet_id=wallet_id,
        wallet_seq=link["wallet_seq"],
        transfer_id=link["id"],
        kind=link["kind"],
        reference=link["reference"],
        posted_at=link["posted_at"],
        balance_after=link["balance_after"],
        detail_digest=bytes(link["detail_digest"]) if link["detail_digest"] else None,
        entries=list(zip(link["codes"], link["amounts"], strict=True)),
    )


def _wrong_details(account_id: UUID) -> Iterator[tuple[str, str, str]]:
    events = _stream("details", account_id)
    for transfer_id, rows in groupby(events, key=lambda row: row["transfer_id"]):
        kept = list(rows)
        if not details.seals(bytes(kept[0]["detail_digest"] or b""), [_detail(row) for row in kept]):
            yield "details_are_sealed", f"transfer {transfer_id}", NOT_SEALED
            return


def _detail(row: dict[str, Any]) -> Detail:
    return row["event_id"], row["type_code"], row["occurred_at"], row["billed_quantity"], row["cost"]


def _stream(name: str, account_id: UUID) -> Iterator[dict[str, Any]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(SQL[name], {"account_id": account_id})
        while rows := cursor.fetchmany(PAGE):
            names = [column[0] for column in cursor.description]
            yield from (dict(zip(names, row, strict=True)) for row in rows)
