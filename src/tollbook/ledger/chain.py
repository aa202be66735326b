"""The hash chain of a wallet's transfers: what is sealed, and how anyone can check it outside Tollbook.

The digest of a transfer is SHA-256 over one line of UTF-8 text, fields separated by `|`:

    previous digest (hex, 64 zeros for the first) | account id | wallet id | wallet_seq | transfer id | kind | reference |
    posted_at (UTC, microseconds, `2026-11-03T14:02:07.000001Z`) | balance_after | detail digest (hex or empty) |
    entries as `code=amount` joined by `;` in order of position

Amounts are written with exactly 6 decimal places. The detail digest of a usage transfer is SHA-256 over a line for each
of its events, in order of their ids (as bytes), fields separated by tabs, each line ended by a line feed:

    event id, type, occurred_at (microseconds since 1970, UTC), billed quantity and cost (both in millionths)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Everything that a transfer's digest covers. `entries` are (code, signed amount) in order of position."""

    account_id: UUID
    wallet_id: UUID
    wallet_seq: int
    transfer_id: UUID
    kind: str
    reference: str
    posted_at: datetime
    balance_after: Decimal
    detail_digest: bytes | None
    entries: Sequence[tuple[str, Decimal]]


def instant(value: datetime) -> str:
    """An instant as the chain writes it: UTC, microseconds, Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def digest(previous: bytes, sealed: Sealed) -> bytes:
    """The 32-byte digest that seals `sealed` and, through `previous`, everything before it."""
    fields = [
        previous.hex(),
        str(sealed.account_id),
        str(sealed.wallet_id),
        str(sealed.wallet_seq),
        str(sealed.transfer_id),
        sealed.kind,
        sealed.reference,
        instant(sealed.posted_at),
        f"{sealed.balance_after:.6f}",
        sealed.detail_digest.hex() if sealed.detail_digest else "",
        ";".join(f"{code}={amount:.6f}" for code, amount in sealed.entries),
    ]
    return sha256("|".join(fields).encode()).digest()


def digest_of_details(lines: Iterable[str]) -> bytes:
    """The digest of what a transfer consists of: its lines in order, each with its line feed."""
    return sha256("".join(lines).encode()).digest()


def digest_of_first_details(lines: Iterable[str]) -> bytes:
    """As transfers of version 0.1 were sealed: lines of other fields, sorted as a whole, without their line feeds."""
    return sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).digest()
