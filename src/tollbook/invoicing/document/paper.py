"""What an invoice prints: values copied at the moment of issue, so that a document never changes afterwards.

A `Paper` cannot exist when its lines don't add up: printed lines always sum to the printed subtotal, and subtotal and
tax to the printed total, to the last minor unit.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tollbook.errors import Invalid
from tollbook.invoicing.document.countries import country_name
from tollbook.money.amount import ZERO, to_minor

INVOICE, CREDIT_NOTE = "Invoice", "Credit note"
PLAIN_ACCENT = "#3b5bdb"

_ACCENT = re.compile(r"#[0-9a-fA-F]{6}\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


@dataclass(frozen=True, slots=True)
class Party:
    """The seller or the buyer. `country` is an ISO 3166 code (US, DE); empty texts print nothing."""

    name: str
    legal_name: str = ""
    address_lines: tuple[str, ...] = ()
    country: str = ""
    tax_id: str = ""
    email: str = ""
    phone: str = ""

    @property
    def lines_below(self) -> tuple[str, ...]:
        """What is printed below the name, line by line."""
        legal_name = self.legal_name if self.legal_name != self.name else ""
        tax = f"Tax ID {self.tax_id}" if self.tax_id else ""
        lines = (legal_name, *self.address_lines, country_name(self.country), tax, self.email, self.phone)
        return tuple(line for line in lines if line)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `amount` has the currency's minor unit, negative for a credit; `unit_price` up to 6 places.

    `amount` is printed as given and never recomputed: proration and minimum fees may differ from quantity x price.
    `quantity` and `unit_price` may be absent (None) and print nothing then. `tax_category` is EN 16931's (S standard, Z
    zero, E exempt, AE reverse charge, G export, O not taxed), `tax_rate` in percent, `tax` is added to the amount, and
    `tax_label` names it in the sums ("VAT 19 %"). `service_from` and `service_until` (both included) are what it pays for.
    """

    position: int
    description: str
    amount: Decimal
    quantity: Decimal | None = None
    unit: str = ""
    unit_price: Decimal | None = None
    detail: str = ""
    tax_category: str = "O"
    tax_rate: Decimal = ZERO
    tax: Decimal = ZERO
    tax_label: str = ""
    service_from: date | None = None
    service_until: date | None = None


@dataclass(frozen=True, slots=True)
class TaxShare:
    """What lines of one category and rate come to: their net sum, and the tax on it."""

    category: str
    rate: Decimal
    label: str
    base: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Corrected:
    """The invoice that a credit note corrects."""

    number: str
    issued_on: date


@dataclass(frozen=True, slots=True)
class Paper:
    """One document. Amounts in `currency` (ISO 4217) with its minor unit; days are local days of the account.

    `period_end_on` is the last day included. `payment_state` is the sentence true at the moment of issue ("Paid on
    Nov 3, 2026 by Visa ending 4242"), and `amount_due` what was open then. `logo_svg` is SVG source without outside
    references; without one, or when it can't be drawn, the seller's name stands in its place.
    `tax_note` says why no tax is charged (reverse charge, an exemption). A credit note's amounts are what it gives back, and
    `corrects` names its invoice.
    `accent` is `#rrggbb`. `locale` (en-US, de-DE) decides how figures look. `zone` is printed, never computed with.
    """

    number: str
    issued_on: date
    currency: str
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    payment_state: str
    amount_due: Decimal
    kind: str = INVOICE
    due_on: date | None = None
    po_number: str = ""
    period_start_on: date | None = None
    period_end_on: date | None = None
    tax_note: str = ""
    corrects: Corrected | None = None
    payment_instructions: str = ""
    notes: str = ""
    logo_svg: str | None = None
    accent: str = PLAIN_ACCENT
    locale: str = "en-US"
    zone: str = "UTC"

    @property
    def is_credit(self) -> bool:
        """Whether it gives back rather than asks for."""
        return self.kind == CREDIT_NOTE

    @property
    def taxes(self) -> list[TaxShare]:
        """The lines' taxes by category, rate and label, in the order of the lines."""
        shares: dict[tuple[str, Decimal, str], list[Line]] = {}
        for line in self.lines:
            shares.setdefault((line.tax_category, line.tax_rate.normalize(), line.tax_label), []).append(line)
        return [
            TaxShare(*key, sum((line.amount for line in lines), ZERO), sum((line.tax for line in lines), ZERO))
            for key, lines in shares.items()
        ]

    def __post_init__(self) -> None:
        """Raise `Invalid` when the sums don't add up, an amount is finer than the minor unit, or a code is malformed."""
        if not _CURRENCY.match(self.currency):
            raise Invalid(f"{self.currency!r} is not a currency code", field="currency")
        if not _ACCENT.match(self.accent):
            raise Invalid(f"{self.accent!r} is not a colour like #3b5bdb", field="accent")
        self._check_places()
        self._check_sums()

    def _check_places(self) -> None:
        amounts = [self.subtotal, self.tax, self.total, self.amount_due]
        amounts += [amount for line in self.lines for amount in (line.amount, line.tax)]
        for amount in amounts:
            if to_minor(amount, self.currency) != amount:
                raise Invalid(f"{self.number}: {amount} is finer than {self.currency} can be paid", field="lines")

    def _check_sums(self) -> None:
        lines = sum((line.amount for line in self.lines), ZERO)
        if lines != self.subtotal:
            raise Invalid(f"{self.number}: lines sum to {lines}, not to the subtotal {self.subtotal}", field="subtotal")
        taxes = sum((line.tax for line in self.lines), ZERO)
        if taxes != self.tax:
            raise Invalid(f"{self.number}: the lines' taxes sum to {taxes}, not to {self.tax}", field="tax")
        if self.subtotal + self.tax != self.total:
            raise Invalid(f"{self.number}: subtotal and tax do not make the total {self.total}", field="total")
