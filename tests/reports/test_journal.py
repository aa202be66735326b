"""The journal: every entry once, under an id that never changes; daily journals in cents that balance and never drift."""

import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cast import an_account, funded
from tests.payments.till import Till
from tests.refills.shop import gateway_is
from tollbook.errors import Invalid
from tollbook.ledger.balance import sums
from tollbook.ledger.tables import Entry
from tollbook.money.amount import minor_unit
from tollbook.reports import chart, journal, layouts
from tollbook.reports.chart import Chart, Named
from tollbook.reports.days import Days
from tollbook.web import sheets

TODAY = datetime.now(UTC).date()
ALL = Days(TODAY - timedelta(days=1), TODAY + timedelta(days=1))
CODES = ["receivable", "wallet:sms:paid", "wallet:sms:granted", "revenue:usage", "revenue:setup", "tax"]
FIVE = st.lists(st.integers(-5_000_000, 5_000_000), min_size=5, max_size=5)


def written(file: layouts.File) -> list[dict[str, str]]:
    """What a spreadsheet reads of it."""
    content = io.BytesIO()
    sheets.write(content, *file)
    return list(csv.DictReader(io.StringIO(content.getvalue().decode())))


def test_every_entry_is_told_once_with_what_it_is_about(db) -> None:
    with gateway_is():
        till = Till(db)
        invoice = till.invoice("100.00")
        till.payment(invoice, till.card(), "40.00")
    lines = list(journal.entries(ALL))
    assert len({line.id for line in lines}) == len(lines) == Entry.objects.count()
    assert {line.kind: line.document for line in lines} == {
        "invoice": invoice.number,
        "payment": "",
        "settlement": invoice.number,
    }
    by_code = defaultdict(Decimal)
    for row in written(layouts.of_entries(lines)):
        by_code[row["ledger_account"]] += Decimal(row["debit"] or 0) - Decimal(row["credit"] or 0)
    assert by_code == sums(till.id)
    assert list(journal.entries(ALL, an_account("contoso").id)) == []
    assert [line.id for line in journal.entries(ALL)] == [line.id for line in lines]


def test_a_journal_balances_in_cents_and_has_one_name(db) -> None:
    account = an_account()
    funded(account, "sms", "0.004")
    funded(account, "outbound", "0.004", "granted")
    funded(account, "email", "7")
    [one] = journal.journals(ALL, Chart())
    assert one.id == f"TB-{TODAY:%Y%m%d}-USD"
    assert sum(one.amounts.values()) == 0
    assert {named.account: amount for named, amount in one.amounts.items()} == {
        "Deferred revenue - prepaid credit": Decimal("-7.00"),
        "Revenue - adjustments": Decimal("7.00"),
    }


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["USD", "JPY", "KWD"]), FIVE), max_size=15),
    st.integers(0, 9),
)
def test_journals_never_drift_from_the_books_and_come_out_the_same_in_pieces(movements, split) -> None:
    first, exact = date(2026, 11, 1), defaultdict(Decimal)
    for day, currency, amounts in movements:
        for code, micros in zip(CODES, [*amounts, -sum(amounts)], strict=True):
            exact[first + timedelta(days=day), currency, code] += Decimal(micros).scaleb(-6)
    moved = sorted((*key, amount) for key, amount in exact.items())
    whole = list(journal.cut(moved, Chart(), first))
    stands, told = defaultdict(Decimal), defaultdict(Decimal)
    for one in whole:
        assert sum(one.amounts.values()) == 0
        unit = minor_unit(one.currency)
        assert all(amount % unit == 0 for amount in one.amounts.values())
        for named, amount in one.amounts.items():
            told[one.currency, named] += amount
    for (_, currency, code), amount in exact.items():
        stands[currency, Chart().named(code)] += amount
    for key, amount in stands.items():
        assert abs(amount - told[key]) < minor_unit(key[0])

    # The same days asked for later, with everything before them as one opening, give the same journals.
    since = first + timedelta(days=split)
    opening = defaultdict(Decimal)
    for day, currency, code, amount in moved:
        opening[max(day, since - timedelta(days=1)), currency, code] += amount
    later = list(journal.cut(sorted((*key, amount) for key, amount in opening.items()), Chart(), since))
    assert later == [one for one in whole if one.day >= since]


def test_quickbooks_and_xero_get_their_columns(db) -> None:
    funded(an_account(), "sms", "7.5")
    sold = {"code": "revenue:*", "account": "4000", "tax": "20% VAT"}
    chosen = chart.parse([{"code": "wallet:*:paid", "account": "2400"}, sold])
    found = journal.journals(ALL, chosen)
    quickbooks, xero = written(layouts.of_quickbooks(found)), written(layouts.of_xero(found))
    name = f"TB-{TODAY:%Y%m%d}-USD"
    assert [tuple(row.values())[:5] for row in quickbooks] == [
        (name, f"{TODAY:%m/%d/%Y}", "2400", "", "7.50"),
        (name, f"{TODAY:%m/%d/%Y}", "4000", "7.50", ""),
    ]
    assert [(row.pop("Description"), *row.values())[1:] for row in xero] == [
        (f"Tollbook {name}", f"{TODAY:%d/%m/%Y}", "2400", "Tax Exempt", "-7.50"),
        (f"Tollbook {name}", f"{TODAY:%d/%m/%Y}", "4000", "20% VAT", "7.50"),
    ]


def test_the_longest_pattern_of_the_operators_chart_is_taken() -> None:
    lines = [("*", "9999"), ("revenue:*", "4000"), ("revenue:usage", "4010")]
    chosen = chart.parse([{"code": code, "account": account} for code, account in lines])
    assert [chosen.named(code).account for code in ("revenue:usage", "revenue:setup", "tax")] == ["4010", "4000", "9999"]
    assert Chart().named("clearing:stripe") == Named("Clearing - stripe")
    assert Chart().named("wallet:sms:granted").account == "Promotional credit outstanding"


@pytest.mark.parametrize("line", [{"code": "tax"}, {"account": "1"}, {"code": "t?x", "account": "1"}])
def test_a_line_of_a_chart_that_says_nothing_is_named(line: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="Line 3"):
        chart.parse([{"code": "credit", "account": "2"}, line])
    with pytest.raises(Invalid, match="twice"):
        chart.parse([{"code": "credit", "account": "2"}] * 2)
