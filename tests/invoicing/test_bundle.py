"""Many invoices as one ZIP: every one of them, with the bytes of its own download, whoever asks."""

import io
import zipfile
from datetime import date

from tests.invoicing.papers import issued
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.invoicing.bundle import AT_ONCE, bundle
from tollbook.invoicing.file import pdf
from tollbook.invoicing.tables import InvoiceFile
from tollbook.postgres.ids import new_id


def opened(pieces: list[bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as packed:
        assert packed.testzip() is None
        return {one.filename: packed.read(one) for one in packed.infolist()}


def test_it_holds_the_bytes_of_each_download_in_order(account: Account) -> None:
    invoices = [issued(account) for _ in range(3)]
    before = pdf(account.id, invoices[1].number)
    held = opened(list(bundle(account.id, [one.id for one in reversed(invoices)])))
    assert list(held) == [f"{one.number}.pdf" for one in reversed(invoices)]
    assert held["INV-000002.pdf"] == before
    assert held["INV-000001.pdf"] == pdf(account.id, "INV-000001")


def test_it_comes_in_pieces_and_is_the_same_file_again(account: Account) -> None:
    ids = [issued(account).id for _ in range(AT_ONCE + 3)]
    first, again = list(bundle(account.id, ids)), list(bundle(account.id, ids))
    assert len(first) == len(ids) + 1 and all(first)
    assert b"".join(first) == b"".join(again)
    assert InvoiceFile.objects.count() == len(ids)
    assert len(opened(first)) == len(ids)


def test_invoices_of_others_and_of_nobody_are_left_out(account: Account) -> None:
    other = open_account(NewAccount("contoso", "Contoso", date(2026, 1, 3)), SYSTEM)
    theirs, mine = issued(other), issued(account)
    assert list(opened(list(bundle(account.id, [theirs.id, mine.id, new_id()])))) == [f"{mine.number}.pdf"]


def test_nothing_is_an_empty_archive(account: Account) -> None:
    assert opened(list(bundle(account.id, []))) == {}
