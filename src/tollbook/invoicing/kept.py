"""The bytes of a document as first handed out: kept, the same for ever. Invoices have a table of their own (file.py)."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from tollbook.invoicing.tables import DocumentFile


def once(account_id: UUID, kind: str, name: str, make: Callable[[], bytes]) -> bytes:
    """What was kept of this document, or what `make` answers now, kept from now on.

    Any transaction, the portal's included; no locks. Of two first askers at once both may make it; both answer the bytes of
    the one that came first.
    """
    content = _kept(account_id, kind, name)
    if content is None:
        _keep(account_id, kind, name, make())
        content = _kept(account_id, kind, name)
    assert content is not None, "the row was inserted, by us or by the transaction that we waited for"
    return content


def _kept(account_id: UUID, kind: str, name: str) -> bytes | None:
    rows = DocumentFile.objects.filter(account_id=account_id, kind=kind, name=name)
    content = rows.values_list("content", flat=True).first()
    return None if content is None else bytes(content)


def _keep(account_id: UUID, kind: str, name: str, content: bytes) -> None:
    row = DocumentFile(
        account_id=account_id,
        kind=kind,
        name=name,
        sha256=hashlib.sha256(content).digest(),
        content=content,
        typeset_at=datetime.now(UTC),
    )
    DocumentFile.objects.bulk_create([row], ignore_conflicts=True)
