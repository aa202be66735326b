"""Tax of documents: which rule applies to whom, and sums that always add up, by hand and against plain fractions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.invoicing.papers import draft, issued, line
from tollbook.accounts.tables import Account
from tollbook.invoicing.issue import issue_all
from tollbook.invoicing.tables import InvoiceKind, InvoiceLine, TaxRule
from tollbook.invoicing.tax import Buyer, Treatment, credited, rules, sums
from tollbook.ledger import balance
from tollbook.money.amount import minor_unit
from tollbook.postgres.ids import new_id
from tollbook.postgres.retry import in_transaction

DAY = date(2026, 11, 3)
VAT = Treatment("S", Decimal(19), "VAT 19 %")
INSIDE = Treatment("S", Decimal(19), "VAT 19 %", is_inclusive=True)
FREE = Treatment("O")


def rule(country: str, rate: str, **more: object) -> TaxRule:
    facts = {"tax_code": "", "region": "", "valid_from": date(2020, 1, 1), "label": "VAT", "created_by": "tests"}
    return TaxRule.objects.create(
        id=new_id(), country=country, tax_rate=Decimal(rate), created_at=datetime.now(UTC), **facts | more
    )


def treated(country: str = "DE", code: str = "", day: date = DAY, **more: object) -> Treatment:
    facts = {"region": "", "has_tax_id": False, "exemption": "", "seller_country": "DE"} | more
    buyer = Buyer(country, **facts)  # type: ignore[arg-type]
    return rules().treatments([(buyer, code)], day)[buyer, code]


def test_tax_is_rounded_once_for_each_rate_and_dealt_to_the_lines() -> None:
    """Three lines of 0.335 cents of tax each would come to 0.09 line by line; the rate's tax of 0.45 is 0.09."""
    made = sums([(Decimal("0.15"), VAT)] * 3, "EUR")
    assert (made.subtotal, made.tax, made.total) == (Decimal("0.45"), Decimal("0.09"), Decimal("0.54"))
    assert [share.tax for share in made.shares] == [Decimal("0.03"), Decimal("0.03"), Decimal("0.03")]
    assert [share.tax for share in sums([(Decimal("0.14"), VAT)] * 3, "EUR").shares] == [
        Decimal("0.03"), Decimal("0.02"), Decimal("0.03")
    ]  # fmt: skip


def test_prices_that_include_tax_come_to_what_was_asked() -> None:
    made = sums([(Decimal("119.00"), INSIDE), (Decimal("9.99"), INSIDE)], "EUR")
    assert (made.subtotal, made.tax, made.total) == (Decimal("108.39"), Decimal("20.60"), Decimal("128.99"))


@pytest.mark.parametrize(
    ("currency", "amount", "tax"), [("JPY", "105", "20"), ("KWD", "1.005", "0.191"), ("USD", "1.05", "0.20")]
)
def test_tax_has_the_minor_unit_of_its_currency(currency: str, amount: str, tax: str) -> None:
    assert sums([(Decimal(amount), VAT)], currency).tax == Decimal(tax)


OTHERS = [Treatment("S", Decimal(7), "VAT 7 %"), Treatment("S", Decimal("8.875"), "Sales tax")]
rates = st.sampled_from([FREE, VAT, INSIDE, *OTHERS])


@given(lines=st.lists(st.tuples(st.integers(-10_000, 1_000_000), rates), min_size=1, max_size=12),
       currency=st.sampled_from(["USD", "JPY", "KWD"]))  # fmt: skip
def test_lines_always_sum_to_the_document(lines: Sequence[tuple[int, Treatment]], currency: str) -> None:
    unit = minor_unit(currency)
    priced = [(number * unit, treatment) for number, treatment in lines]
    made = sums(priced, currency)
    assert sum(share.net for share in made.shares) == made.subtotal
    assert sum(share.tax for share in made.shares) == made.tax == sum(one.tax for one in made.taxes.values())
    for treatment in {treatment for _, treatment in lines}:
        whole = sum((Fraction(amount) for amount, other in priced if other is treatment), Fraction(0))
        taxes = [one.tax for one, (_, other) in zip(made.shares, priced, strict=True) if other is treatment]
        share = Fraction(sum(taxes, Decimal(0)))
        exact = whole * Fraction(treatment.rate) / (100 + (Fraction(treatment.rate) if treatment.is_inclusive else 0))
        assert abs(share - exact) <= Fraction(unit) / 2
    inside = [(amount, share) for (amount, other), share in zip(priced, made.shares, strict=True) if other is INSIDE]
    assert all(share.net + share.tax == amount for amount, share in inside)


@given(parts=st.lists(st.integers(1, 500), min_size=1, max_size=8), tax=st.integers(0, 300))
def test_what_is_credited_in_parts_takes_back_the_whole_tax_and_never_more(parts: list[int], tax: int) -> None:
    amount, whole = Decimal(sum(parts)) / 100, Decimal(tax) / 100
    before, back = Decimal(0), Decimal(0)
    for part in parts:
        back += credited(amount, whole, before, Decimal(part) / 100, "EUR")
        before += Decimal(part) / 100
        assert 0 <= back <= whole
    assert back == whole


def test_the_nearest_rule_applies_the_newest_that_has_begun(account: Account) -> None:
    rule("DE", "19")
    rule("DE", "16", valid_from=date(2026, 7, 1))
    rule("DE", "25", valid_from=date(2027, 1, 1))
    rule("DE", "7", tax_code="books")
    rule("US", "0", label="Sales tax")
    rule("US", "8.875", region="NY", label="Sales tax")
    rule("", "3", label="World")
    assert treated().rate == 16
    assert treated(day=date(2026, 6, 30)).rate == 19
    assert treated(code="books").rate == 7
    assert treated(code="wine").rate == 16, "a category without a rule is taxed as the standard"
    assert [treated("US", region=region).label for region in ("NY", "WA")] == ["Sales tax 8.875 %", "Sales tax 0 %"]
    assert treated("FR").rate == 3


def test_a_business_abroad_accounts_for_the_tax_itself(account: Account) -> None:
    rule("FR", "20", is_reverse_charge=True)
    assert treated("FR").rate == 20
    told = treated("FR", has_tax_id=True)
    assert (told.category, told.rate, told.note) == ("AE", 0, "Reverse charge: the buyer accounts for the tax.")
    assert treated("FR", has_tax_id=True, seller_country="FR").rate == 20


def test_an_exempt_buyer_pays_none_and_the_document_says_why(account: Account) -> None:
    rule("US", "8")
    account.tax_exemption = "Exempt: certificate 12-345"
    account.save()
    invoice = issued(account, line("50.00"))
    assert (invoice.tax, invoice.total, invoice.tax_note) == (0, 50, "Exempt: certificate 12-345")


def test_an_invoice_is_taxed_stored_and_posted(account: Account) -> None:
    rule("US", "8.875", label="Sales tax")
    invoice = issued(account, line("10.00"), line("0.15", "revenue:setup"))
    assert (invoice.subtotal, invoice.tax, invoice.total) == (Decimal("10.15"), Decimal("0.90"), Decimal("11.05"))
    rows = InvoiceLine.objects.filter(invoice_id=invoice.id).order_by("position")
    assert [(row.tax_label, row.tax_rate, row.tax) for row in rows] == [
        ("Sales tax 8.875 %", Decimal("8.875"), Decimal("0.89")), ("Sales tax 8.875 %", Decimal("8.875"), Decimal("0.01"))
    ]  # fmt: skip
    booked = balance.sums(account.id)
    assert booked == {
        "receivable": Decimal("11.05"), "revenue:recurring": -10, "revenue:setup": Decimal("-0.15"), "tax": Decimal("-0.90")
    }  # fmt: skip


def test_bought_credit_is_not_taxed(account: Account) -> None:
    rule("US", "8.875", label="Sales tax")
    assert issued(account, line("100.00", "wallet:sms:paid"), kind=InvoiceKind.REFILL).tax == 0


def test_another_source_of_tax_is_asked_once_for_all(account: Account) -> None:
    asked = []

    class Service:
        def treatments(self, wanted, day):  # type: ignore[no-untyped-def]
            asked.append(sorted(code for _, code in wanted))
            return {one: Treatment("S", Decimal(5), "Duty 5 %") for one in wanted}

    papers = [(account, draft(line("100.00"), line("100.00", tax_code="x"))) for _ in range(3)]
    made = in_transaction(lambda: issue_all(papers, Service()))
    assert ([one.total for one in made], asked) == ([210, 210, 210], [["", "x"]])
