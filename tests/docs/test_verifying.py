"""docs/verifying.md describes the digest that the ledger really makes."""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from tollbook.ledger.chain import GENESIS, Sealed, digest, digest_of_details


def test_a_chain_can_be_checked_with_a_standard_library_alone() -> None:
    account, wallet, transfer = UUID(int=1), UUID(int=2), UUID(int=3)
    details = digest_of_details(["call-1\tsms\t1793714580000000\t1000000\t7900\n"])
    sealed = Sealed(
        account_id=account,
        wallet_id=wallet,
        wallet_seq=1,
        transfer_id=transfer,
        kind="usage",
        reference=str(transfer),
        posted_at=datetime(2026, 11, 3, 14, 3, 1, tzinfo=UTC),
        balance_after=Decimal("99.9921"),
        detail_digest=details,
        entries=[("wallet:sms:paid", Decimal("0.0079")), ("revenue:usage", Decimal("-0.0079"))],
    )
    events = sha256(b"call-1\tsms\t1793714580000000\t1000000\t7900\n").hexdigest()
    line = (
        f"{'0' * 64}|{account}|{wallet}|1|{transfer}|usage|{transfer}|2026-11-03T14:03:01.000000Z|99.992100|"
        f"{events}|wallet:sms:paid=0.007900;revenue:usage=-0.007900"
    )
    assert digest(GENESIS, sealed).hex() == sha256(line.encode()).hexdigest()
