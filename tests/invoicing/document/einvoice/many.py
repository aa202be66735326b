"""Invoices and credit notes of all kinds, by chance and repeatable: currencies, taxes, discounts, odd texts."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from tollbook.invoicing.document.paper import CREDIT_NOTE, INVOICE, Corrected, Line, Paper, Party
from tollbook.money.amount import HUNDRED, ZERO, to_minor

SELLERS = {
    "DE": Party("Tollbook", "Tollbook Voice GmbH", ("Torstraße 1", "10119 Berlin"), "DE", "DE123456788"),
    "FR": Party("Tollbook SAS", "", ("1 rue de Rivoli", "Bâtiment B", "3e étage", "75001 Paris"), "FR", "FR 32 123456789"),
    "GR": Party("Tollbook ΑΕ", "", ("Ερμού 1", "105 63 Αθήνα"), "GR", "EL123456783", phone="+30 21 0000 0000"),
    "US": Party("Tollbook Voice", "Tollbook Voice, Inc.", ("548 Market Street",), "US", "94-3217745", "us@tollbook.example"),
    "JP": Party("Tollbook KK", "", ("千代田区1-1",), "JP", "T1234567890123"),
    "KW": Party("Tollbook Kuwait", "", (), "KW", "KW-77"),
}  # fmt: skip
BUYERS = [
    Party("Northwind", "Northwind Traders LLC", ("1200 Fifth Avenue", "Seattle, WA 98101"), "US", "91-1144442"),
    Party("Nordwind", "Nordwind Handels GmbH", ("Am Markt 1", "20095 Hamburg"), "DE", "DE136695976", "ap@nordwind.example"),
    Party("Vent du Nord", "", ("2 quai <du> Port & Cie", "13002 Marseille"), "FR", "FR 40 303265045"),
    Party("Smith & Sons", "Smith \"&\" Sons Ltd", ("1 High Street",), "GB", "GB 123 4567 82"),
    Party("北風株式会社", "", ("大阪市",), "JP", ""),
    Party("شركة الشمال", "", (), "KW", ""),
]  # fmt: skip
TEXTS = [
    "Agent seats",
    "Outbound minutes",
    "Numéros entrants",
    "Support plan <24×7> & more",
    "座席 10",
    "Seats 😀",
    "a" * 120,
]
DAY = date(2026, 11, 3)
REGIMES = ["standard", "two rates", "reverse charge", "exempt", "export", "not taxed", "zero", "partly taxed"]


def papers(count: int, seed: int = 20261123) -> list[Paper]:
    """The first `count` of this seed; every regime of tax, currency and kind comes in turn."""
    chance = Random(seed)
    return [_paper(chance, index) for index in range(count)]


def _paper(chance: Random, index: int) -> Paper:
    regime = REGIMES[index % len(REGIMES)]
    currency = ["EUR", "USD", "JPY", "KWD", "GBP", "EUR", "CHF"][index % 7]
    seller, buyer = chance.choice(list(SELLERS.values())), chance.choice(BUYERS)
    if regime == "reverse charge":
        seller, buyer = SELLERS["DE"], chance.choice(BUYERS[1:4])
    if regime == "export":
        seller = SELLERS[chance.choice(["DE", "FR", "GR"])]
    lines = _taxed(chance, regime, currency, _lines(chance, currency))
    is_credit = index % 5 == 4
    subtotal, tax = sum((line.amount for line in lines), ZERO), sum((line.tax for line in lines), ZERO)
    total = subtotal + tax
    due = chance.choice([total, total, ZERO, to_minor(total / 2, currency)])
    due = due if _stateable(due) else total
    return Paper(
        number=f"{'CN' if is_credit else 'INV'}-{index + 1:06}",
        kind=CREDIT_NOTE if is_credit else INVOICE,
        corrects=Corrected(f"INV-{index:06}", DAY - timedelta(days=9)) if is_credit else None,
        issued_on=DAY,
        due_on=None if is_credit else DAY + timedelta(days=chance.choice([0, 14, 30])),
        currency=currency,
        seller=seller,
        buyer=buyer,
        lines=tuple(lines),
        subtotal=subtotal,
        tax=tax,
        total=total,
        amount_due=ZERO if is_credit else due,
        payment_state=chance.choice(["Due soon.", "Paid on Nov 3, 2026 by Visa ending 4242", "Credited."]),
        po_number=chance.choice(["", "PO-2026-0417", "<PO>"]),
        period_start_on=chance.choice([None, DAY]),
        period_end_on=DAY + timedelta(days=29),
        tax_note="Reverse charge: VAT is due by the buyer (Art. 196)." if regime == "reverse charge" else "",
        payment_instructions=chance.choice(["", "IBAN DE02 1203 0000 0000 2020 51\nBIC BYLADEM1001"]),
        notes=chance.choice(["", "Thank you & goodbye\nSee you \x07 <soon>"]),
        locale=chance.choice(["en-US", "de-DE", "fr-FR"]),
    )


def _lines(chance: Random, currency: str) -> list[Line]:
    """Fees, tiers and prorations, and at times a discount, never as large as what it is taken from."""
    lines = [_line(chance, position, currency) for position in range(1, chance.randint(2, 9))]
    worth = sum((line.amount for line in lines), ZERO)
    if chance.random() < 0.4:
        discount = _minor(worth / chance.choice([10, 7, 3, 2]), currency)
        lines.append(Line(len(lines) + 1, "Discount", -discount, Decimal(1), "", -discount, "10 % until Dec 31"))
    return lines


def _line(chance: Random, position: int, currency: str) -> Line:
    quantity = (
        Decimal(chance.choice([1, 3, 25, 1000])) if chance.random() < 0.6 else Decimal(chance.randint(1, 99_999)) / 10
    )
    price = Decimal(chance.randint(0, 5_000_000)) / chance.choice([10_000, 1_000_000, 100])
    amount = _minor(quantity * price * chance.choice([1, 1, Decimal(14) / 31]), currency)
    period = (DAY, DAY + timedelta(days=29)) if chance.random() < 0.5 else (None, None)
    unit, detail = chance.choice(["", "min", "seats"]), chance.choice(["", "14 of 31 days × €100.00"])
    texts = {"unit": unit, "detail": detail, "service_from": period[0], "service_until": period[1]}
    if chance.random() < 0.1:
        return Line(position, chance.choice(TEXTS), amount, **texts)
    return Line(position, chance.choice(TEXTS), amount, quantity, unit_price=price, **texts)


def _taxed(chance: Random, regime: str, currency: str, lines: list[Line]) -> list[Line]:
    rates = {
        "standard": [("S", "19")],
        "two rates": [("S", "20"), ("S", "5.5")],
        "reverse charge": [("AE", "0")],
        "exempt": [("E", "0"), ("S", "19")],
        "export": [("G", "0")],
        "not taxed": [("O", "0")],
        "zero": [("Z", "0")],
        "partly taxed": [("S", "10.25"), ("O", "0")],
    }[regime]
    chosen = [chance.choice(rates) for _ in lines]
    return [tax for rate in rates for tax in _with_rate(rate, currency, lines, chosen)]


def _with_rate(rate: tuple[str, str], currency: str, lines: list[Line], chosen: list[tuple[str, str]]) -> list[Line]:
    """The lines of this rate; the tax on their sum is rounded once and dealt to them as they add up."""
    mine = [line for line, its in zip(lines, chosen, strict=True) if its == rate]
    percent, base, taxes = Decimal(rate[1]), ZERO, []
    for line in mine:
        base += line.amount
        taxes.append(_minor(base * percent / HUNDRED, currency) - sum(taxes, ZERO))
    label = f"VAT {percent:f} %" if percent else ""
    return [
        replace(line, tax_category=rate[0], tax_rate=percent, tax=tax, tax_label=label)
        for line, tax in zip(mine, taxes, strict=True)
    ]


def _minor(value: Decimal, currency: str) -> Decimal:
    """In the minor unit, but fils in tens: EN 16931 knows no third place."""
    return to_minor(value, "USD" if currency == "KWD" else currency)


def _stateable(amount: Decimal) -> bool:
    return amount == amount.quantize(Decimal("0.01"))
