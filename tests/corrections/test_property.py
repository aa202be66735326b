"""Any sequence of invoices, payments, credit notes, write-offs and credit against lists of cents: the books always agree."""

import os
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases import Database
from tests.invoicing.papers import issued, line
from tollbook.accounts.account import NewAccount, open_account
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.corrections.correct import Wanted, correct, expect_again, give_up
from tollbook.errors import Refused
from tollbook.invoicing import credit_note
from tollbook.invoicing.tables import CreditNote, Invoice
from tollbook.ledger.balance import sums
from tollbook.payments import credit
from tollbook.payments.transfer import record_transfer
from tollbook.postgres.ids import new_id

EXAMPLES = int(os.environ.get("TOLLBOOK_CORRECTION_EXAMPLES", "12"))
"""Sequences that are tried. 300 when it is to be shown."""

cents = st.integers(1, 60_000)
STEPS = st.one_of(
    st.tuples(st.just("issue"), st.lists(cents, min_size=1, max_size=4), st.integers(0, 30)),
    st.tuples(st.just("pay"), st.integers(0, 5), cents),
    st.tuples(st.just("credit"), st.integers(0, 5), st.lists(st.integers(0, 20_000), min_size=1, max_size=4)),
    st.tuples(st.just("void"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("give up"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("expect again"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("use credit"), st.just(0), st.just(0)),
)


def rounded(value: Fraction) -> int:
    """Half away from zero."""
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


class Oracle:
    """An invoice as cents: lines with their tax, what is credited of each, what is paid, written off."""

    def __init__(self, nets: list[int]) -> None:
        self.nets = nets
        running = [rounded(Fraction(sum(nets[:n]) * 19, 100)) for n in range(len(nets) + 1)]
        self.taxes = [after - before for before, after in zip(running, running[1:], strict=False)]
        self.gone = [0] * len(nets)
        self.paid = self.off = 0

    def tax_of(self, n: int, net: int) -> int:
        return self.taxes[n] if net == self.nets[n] else rounded(Fraction(self.taxes[n] * net, self.nets[n]))

    @property
    def total(self) -> int:
        return sum(self.nets) + sum(self.taxes)

    @property
    def credited(self) -> int:
        return sum(gone + self.tax_of(n, gone) for n, gone in enumerate(self.gone))

    @property
    def open(self) -> int:
        return self.total - self.credited - self.paid - self.off

    def credit(self, asked: list[int]) -> int | None:
        """What is freed of payments; None when it is refused."""
        asked = (asked + [0] * len(self.nets))[: len(self.nets)]
        if any(net + gone > whole for net, gone, whole in zip(asked, self.gone, self.nets, strict=True)) or not any(asked):
            return None
        before = self.credited
        after = [gone + net for gone, net in zip(self.gone, asked, strict=True)]
        total = sum(gone + self.tax_of(n, gone) for n, gone in enumerate(after)) - before
        freed = max(0, total - self.open)
        if freed > self.paid:
            return None  # written off: nothing is owed and nothing was paid
        self.gone = after
        self.paid -= freed
        return freed


def euros(amount: int) -> Decimal:
    return Decimal(amount) / 100


def step(
    account: Account, papers: list[tuple[Invoice, Oracle]], pocket: list[int], what: str, which: Any, how: Any
) -> None:
    """One step in the product and in the oracle; both refuse, or neither."""
    if what == "issue":
        papers.append((issued(account, *(line(str(euros(net))) for net in which)), Oracle(which)))
        return
    if what == "use credit":
        credit.use_everywhere()
        spend(papers, pocket)
        return
    if not papers:
        return
    invoice, model = papers[which % len(papers)]
    try:
        if what == "pay":
            record_transfer(account, invoice.number, euros(how), str(new_id()), SYSTEM)
        elif what in ("credit", "void"):
            nets = None if what == "void" else {n: euros(net) for n, net in enumerate(how, 1)}
            correct(account, invoice.number, Wanted("For a test", nets), SYSTEM)
        elif what == "give up":
            give_up(account, invoice.number, "For a test", SYSTEM)
        else:
            expect_again(account, invoice.number, "For a test", SYSTEM)
        done = True
    except Refused:
        done = False
    kept = pocket[0]
    assert done == mirrored(model, pocket, what, how), (what, how)
    if what == "pay" and pocket[0] > kept:
        spend(papers, pocket)


def spend(papers: list[tuple[Invoice, Oracle]], pocket: list[int]) -> None:
    """Use the account's credit for what is open, the oldest first; what is paid too much is used so at once."""
    for _, model in sorted(papers, key=lambda one: one[0].sequence):
        used = min(pocket[0], model.open)
        model.paid += used
        pocket[0] -= used


def mirrored(model: Oracle, pocket: list[int], what: str, how: Any) -> bool:
    """The same in the oracle; whether it is allowed."""
    if what == "pay":
        if model.open <= 0:
            return False
        applied = min(model.open, how)
        model.paid += applied
        pocket[0] += how - applied
        return True
    if what in ("credit", "void"):
        left = [net - gone for net, gone in zip(model.nets, model.gone, strict=True)]
        asked = left if what == "void" else how[: len(model.nets)]
        freed = model.credit(asked)
        pocket[0] += freed or 0
        return freed is not None
    if what == "give up":
        off = model.open
        model.off += off
        return off > 0
    off, model.off = model.off, 0
    return off > 0


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=14))
def test_the_books_agree_after_any_sequence(db: Database, account: Account, steps: list[tuple]) -> None:
    slug = f"a{Account.objects.count()}"
    mine = open_account(NewAccount(slug, slug, account.anchor_on), SYSTEM)
    mine.country = mine.tax_country = "DE"
    mine.save()
    papers: list[tuple[Invoice, Oracle]] = []
    pocket = [0]
    for what, which, how in steps:
        step(mine, papers, pocket, what, which, how)
        for invoice, model in papers:
            assert credit_note.open_of(invoice) == euros(model.open)
            assert invoice.total == euros(model.total)
            assert 0 <= model.credited <= model.total
        booked = sums(mine.id)
        assert booked.get("receivable", 0) == euros(sum(model.open for _, model in papers))
        net = sum(sum(model.nets) - sum(model.gone) for _, model in papers)
        codes = [code for code in booked if code.startswith(("revenue:", "deferred:"))]
        earned = sum((booked[code] for code in codes), Decimal(0))
        assert -earned == euros(net), "revenue and deferred revenue are what is invoiced, without tax, less what is credited"
        assert booked.get("bad_debt", 0) == euros(sum(model.off for _, model in papers))
        assert credit.of_account(mine.id) == euros(pocket[0])
        notes = CreditNote.objects.filter(account_id=mine.id)
        assert sum((note.total for note in notes), Decimal(0)) == euros(sum(model.credited for _, model in papers))
    assert audit([mine]) == []
