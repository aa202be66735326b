"""What EN 16931 asks for, worked out from a Paper. The names in brackets are the standard's business terms (BT-...).

Not every invoice can be said in its words. It knows amounts of two decimal places (BR-DEC), so a Kuwaiti invoice of
fils can't be stated exactly; it wants both countries, and ids of tax where tax is charged. Such a paper has no
statement (None) rather than a wrong one.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tollbook.invoicing.document.paper import Line, Paper, Party, TaxShare
from tollbook.money.amount import ZERO, to_minor

HUNDREDTH = Decimal("0.01")
NOT_TAXED = "O"
REASONS = {
    "E": "Exempt from tax",
    "AE": "Reverse charge",
    "G": "Export outside the EU",
    "O": "Not subject to tax",
}
_TAXED = frozenset("SZ") | REASONS.keys()
# UN/ECE Recommendation 20; whatever has no unit of its own is counted as "one".
_UNITS = {"min": "MIN", "minute": "MIN", "minutes": "MIN", "second": "SEC", "seconds": "SEC", "s": "SEC", "h": "HUR",
          "hour": "HUR", "hours": "HUR", "day": "DAY", "days": "DAY", "month": "MON", "months": "MON"}  # fmt: skip
_ONE = "C62"
_VAT_ID = re.compile(r"([A-Z]{2})[0-9A-Z+*]{2,13}")
# Greece writes EL before its ids, Northern Ireland XI.
_PREFIX_OF = {"EL": "GR", "XI": "GB"}


@dataclass(frozen=True, slots=True)
class Who:
    """The seller or the buyer: a VAT id (BT-31, BT-48), another tax id (BT-32), and what else identifies it.

    That is `legal_id` (BT-30, BT-47), and `own_id` (BT-29) for a seller that has none of the others (BR-CO-26).
    """

    name: str
    trading_name: str
    address_lines: tuple[str, ...]
    country: str
    email: str
    phone: str
    vat_id: str
    other_tax_id: str
    legal_id: str

    @property
    def own_id(self) -> str:
        """What identifies it when no authority's id does."""
        return "" if self.vat_id or self.legal_id else self.email or self.name


@dataclass(frozen=True, slots=True)
class Item:
    """A line. `quantity` × `price`, rounded, is its net `amount` (BT-131); the price is never below zero (BR-27)."""

    position: str
    name: str
    description: str
    quantity: Decimal
    unit: str
    price: Decimal
    amount: Decimal
    category: str
    rate: Decimal
    service_from: date | None
    service_until: date | None


@dataclass(frozen=True, slots=True)
class Tax:
    """What all lines of one category and rate come to (BG-23); `reason` says why none is charged."""

    category: str
    rate: Decimal
    base: Decimal
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """An invoice or credit note in the words of EN 16931."""

    paper: Paper
    seller: Who
    buyer: Who
    items: tuple[Item, ...]
    taxes: tuple[Tax, ...]
    prepaid: Decimal
    due: Decimal
    terms: str

    @property
    def type_code(self) -> str:
        """UNTDID 1001: 380 is a commercial invoice, 381 a credit note."""
        return "381" if self.paper.is_credit else "380"


def statement(paper: Paper) -> Statement | None:
    """What `paper` says, or None when EN 16931 has no words for it."""
    stateable = paper.lines and paper.total >= 0 and _in_hundredths(paper)
    if not stateable or not {line.tax_category for line in paper.lines} <= _TAXED:
        return None
    alone = all(line.tax_category == NOT_TAXED for line in paper.lines)
    taxes = _taxes(paper, alone)
    seller, buyer = _who(paper.seller, alone), _who(paper.buyer, alone)
    if not _identified(seller, buyer, {tax.category for tax in taxes}):
        return None
    due = paper.total if paper.is_credit else paper.amount_due
    items = tuple(_item(line, paper, alone) for line in paper.lines)
    return Statement(paper, seller, buyer, items, taxes, paper.total - due, due, paper.payment_state)


def _in_hundredths(paper: Paper) -> bool:
    amounts = [paper.subtotal, paper.tax, paper.total, paper.amount_due, *(line.amount for line in paper.lines)]
    return all(amount == amount.quantize(HUNDREDTH) for amount in amounts)


def _identified(seller: Who, buyer: Who, categories: set[str]) -> bool:
    """Whether the ids are there that the categories of tax ask for (BR-S-02, BR-AE-02 and their like)."""
    if not (seller.country and buyer.country):
        return False
    if categories == {NOT_TAXED}:
        return True
    if "AE" in categories and not (buyer.vat_id or buyer.legal_id):
        return False
    return bool(seller.vat_id or (seller.other_tax_id and "G" not in categories))


def _who(party: Party, untaxed: bool) -> Who:
    vat_id, other = _tax_ids(party)
    return Who(
        name=party.legal_name or party.name or "-",
        trading_name=party.name if party.legal_name not in ("", party.name) else "",
        address_lines=tuple(line for line in party.address_lines if line.strip()),
        country=party.country,
        email=party.email,
        phone=party.phone,
        vat_id="" if untaxed else vat_id,
        other_tax_id="" if untaxed else other,
        # Where nothing is taxed, ids of VAT are forbidden (BR-O-02); they still identify.
        legal_id=party.tax_id if untaxed or not vat_id else "",
    )


def _tax_ids(party: Party) -> tuple[str, str]:
    """The party's tax id as a VAT id of its country, or as another one."""
    bare = re.sub(r"[\s.\-/]", "", party.tax_id).upper()
    found = _VAT_ID.fullmatch(bare)
    if found and _PREFIX_OF.get(found[1], found[1]) == party.country:
        return bare, ""
    return "", party.tax_id


def _taxes(paper: Paper, alone: bool) -> tuple[Tax, ...]:
    groups: dict[tuple[str, Decimal], list[TaxShare]] = {}
    for share in paper.taxes:
        groups.setdefault((_category(share.category, alone), share.rate), []).append(share)
    return tuple(
        Tax(
            category,
            rate,
            sum((share.base for share in shares), ZERO),
            sum((share.tax for share in shares), ZERO),
            _reason(paper, category),
        )
        for (category, rate), shares in groups.items()
    )


def _category(category: str, alone: bool) -> str:
    """What is not taxed at all can't stand beside what is (BR-O-11): there it counts as exempt."""
    return "E" if category == NOT_TAXED and not alone else category


def _reason(paper: Paper, category: str) -> str:
    return paper.tax_note or REASONS[category] if category in REASONS else ""


def _item(line: Line, paper: Paper, alone: bool) -> Item:
    quantity, price, sum_of = _multiplied(line, paper.currency)
    return Item(
        position=str(line.position),
        name=line.description.strip() or "-",
        description="\n".join(text for text in (line.detail, sum_of) if text),
        quantity=quantity,
        unit=_UNITS.get(line.unit.lower(), _ONE) if not sum_of else _ONE,
        price=price,
        amount=line.amount,
        category=_category(line.tax_category, alone),
        rate=line.tax_rate.normalize(),
        service_from=line.service_from,
        service_until=line.service_until,
    )


def _multiplied(line: Line, currency: str) -> tuple[Decimal, Decimal, str]:
    """Quantity and price whose product is the amount; where the line's own are not (tiers, proration), 1 × it and a note."""
    quantity, price = line.quantity, line.unit_price
    if quantity is None or price is None:
        return (Decimal(-1) if line.amount < 0 else Decimal(1)), abs(line.amount), ""
    if price < 0:
        quantity, price = -quantity, -price
    if quantity and to_minor(quantity * price, currency) == line.amount:
        return quantity, price, ""
    unit = f" {line.unit}" if line.unit else ""
    note = f"{quantity.normalize():f}{unit} at {price.normalize():f}"
    return (Decimal(-1) if line.amount < 0 else Decimal(1)), abs(line.amount), note
