"""Many documents as one ZIP, made while it is sent: a few invoices at a time, so that a thousand need no memory."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from uuid import UUID

from tollbook.invoicing import file
from tollbook.invoicing.tables import Invoice
from tollbook.postgres.scope import rows_of

AT_ONCE = 25
MOST = 5_000
"""Invoices in one bundle; whoever wants more asks for them year by year."""


def bundle(account_id: UUID, invoice_ids: Sequence[UUID]) -> Iterator[bytes]:
    """The pieces of a ZIP that holds the PDFs of these invoices, in this order, each called by its number.

    Each step is a short transaction of its own as the portal's role, so a slow reader holds none. The bytes are the same
    whenever nothing was added; ids of other accounts are not found and left out.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as packed:
        for start in range(0, len(invoice_ids), AT_ONCE):
            for name, day, content in _documents(account_id, invoice_ids[start : start + AT_ONCE]):
                packed.writestr(zipfile.ZipInfo(name, (*day, 0, 0, 0)), content)
                yield sink.taken()
    yield sink.taken()


def _documents(account_id: UUID, ids: Sequence[UUID]) -> list[tuple[str, tuple[int, int, int], bytes]]:
    with rows_of(account_id):
        found = {invoice.id: invoice for invoice in Invoice.objects.filter(account_id=account_id, id__in=ids)}
        invoices = [found[id] for id in ids if id in found]
        contents = file.pdfs(invoices) if invoices else []
    return [
        (f"{invoice.number}.pdf", (invoice.issued_on.year, invoice.issued_on.month, invoice.issued_on.day), content)
        for invoice, content in zip(invoices, contents, strict=True)
    ]


class _Sink(io.RawIOBase):
    """A file that only goes on; what was written waits to be taken."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        """Yes; it can neither be read nor wound back, which has ZIP write sizes behind its contents."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Let it wait."""
        self._waiting.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What waited."""
        data, self._waiting = b"".join(self._waiting), []
        return data
