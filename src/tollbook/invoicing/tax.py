"""Tax of a document's lines: what applies to a buyer, and the one function that computes a document's sums.

Rules. A line's category of tax (`tax_code`, "" the standard one) and the buyer's place choose a rule: of the region, else of
the country, else of everywhere else; a category without one is taxed as the standard. Where no rule applies nothing is
taxed. An exempt buyer pays none (category E, with the reason as a note); a buyer with a tax id in another country than the
seller's pays a rule's tax itself where that rule says so (AE, with its note). Place and tax id count once staff have
confirmed them; what an account's own people change of them is printed, and waits.

Tax is rounded once for each rate of a document, half away from zero, as EN 16931 computes it (BR-S-09), and dealt to the
lines so that they sum to it: line by line, what the sum so far bears less what was dealt before. With prices that include
tax the same is taken out of them. So lines always sum to subtotal, tax and total, and a rate's tax is that rate of its sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol

from tollbook.accounts.tables import Account
from tollbook.invoicing.tables import TaxRule
from tollbook.money.amount import HUNDRED, ZERO, to_minor

STANDARD, ZERO_RATED, EXEMPT, REVERSE_CHARGE, OUTSIDE = "S", "Z", "E", "AE", "O"
REVERSE_NOTE = "Reverse charge: the buyer accounts for the tax."


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a line: its category as EN 16931 names it, the rate in percent, what is printed.

    With `is_inclusive` the price contains the tax already. `note` is printed once on the document.
    """

    category: str
    rate: Decimal = ZERO
    label: str = ""
    note: str = ""
    is_inclusive: bool = False


NOT_TAXED = Treatment(OUTSIDE)


@dataclass(frozen=True, slots=True)
class Buyer:
    """What decides about tax: where the buyer and the seller are, whether it is a business, whether it is exempt."""

    country: str
    region: str
    has_tax_id: bool
    exemption: str
    seller_country: str


class Source(Protocol):
    """The port for a tax service. Asked once for a batch of documents, before any transaction takes a lock."""

    def treatments(self, wanted: Iterable[tuple[Buyer, str]], day: date) -> Mapping[tuple[Buyer, str], Treatment]:
        """How each buyer is taxed on `day` for each of these categories. Raises TryLater when it can't say."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """The built-in source: the rules that staff keep at the desk."""

    by_place: Mapping[tuple[str, str, str], Sequence[TaxRule]]

    def treatments(self, wanted: Iterable[tuple[Buyer, str]], day: date) -> Mapping[tuple[Buyer, str], Treatment]:
        """As the port says; pure, once the rules were read."""
        return {one: self._treatment(*one, day) for one in set(wanted)}

    def _treatment(self, buyer: Buyer, tax_code: str, day: date) -> Treatment:
        rule = self._rule(buyer, tax_code, day)
        if rule is None:
            return NOT_TAXED
        if buyer.exemption:
            return Treatment(EXEMPT, ZERO, f"{rule.label} exempt", buyer.exemption)
        if rule.is_reverse_charge and buyer.has_tax_id and buyer.country != buyer.seller_country:
            return Treatment(REVERSE_CHARGE, ZERO, f"{rule.label} reverse charge", rule.note or REVERSE_NOTE)
        note = "" if rule.is_reverse_charge else rule.note
        return Treatment(rule.category, rule.tax_rate, _label(rule), note, rule.is_inclusive)

    def _rule(self, buyer: Buyer, tax_code: str, day: date) -> TaxRule | None:
        for code in dict.fromkeys((tax_code, "")):
            for place in ((buyer.country, buyer.region), (buyer.country, ""), ("", "")):
                for rule in self.by_place.get((code, *place), ()):
                    if rule.valid_from <= day:
                        return rule
        return None


@dataclass(frozen=True, slots=True)
class Share:
    """A line's net amount and its tax, in the document's minor unit."""

    net: Decimal
    tax: Decimal


@dataclass(slots=True)
class Sums:
    """A document's sums. `shares` are in the order of the lines; `taxes` sums net and tax by (category, rate, label)."""

    subtotal: Decimal = ZERO
    tax: Decimal = ZERO
    shares: list[Share] = field(default_factory=list)
    taxes: dict[tuple[str, Decimal, str], Share] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        """What is to be paid."""
        return self.subtotal + self.tax


def rules() -> Rules:
    """The rules of the desk, read now, the newest of each place first."""
    found: dict[tuple[str, str, str], list[TaxRule]] = {}
    for rule in TaxRule.objects.order_by("-valid_from"):
        found.setdefault((rule.tax_code, rule.country, rule.region), []).append(rule)
    return Rules(found)


def buyer_of(account: Account, seller_country: str) -> Buyer:
    """What decides about an account's tax, as it stands now: the place that staff confirmed, and whether they confirmed the
    tax id that it has. So nobody lowers their own tax.
    """
    has_tax_id = bool(account.tax_id) and account.tax_id == account.checked_tax_id
    return Buyer(account.tax_country, account.tax_region, has_tax_id, account.tax_exemption, seller_country)


def sums(lines: Sequence[tuple[Decimal, Treatment]], currency: str) -> Sums:
    """The sums of a document whose lines have these amounts (as priced: with tax, where prices include it)."""
    made = Sums()
    running: dict[tuple[str, Decimal, str, bool], tuple[Decimal, Decimal]] = {}
    for amount, treatment in lines:
        share = Share(amount, ZERO)
        if treatment.rate:
            key = (treatment.category, treatment.rate, treatment.label, treatment.is_inclusive)
            before, dealt = running.get(key, (ZERO, ZERO))
            tax = tax_on(before + amount, treatment, currency) - dealt
            running[key] = (before + amount, dealt + tax)
            share = Share(amount - tax if treatment.is_inclusive else amount, tax)
        made.shares.append(share)
        made.subtotal += share.net
        made.tax += share.tax
        _add(made.taxes, (treatment.category, treatment.rate, treatment.label), share)
    return made


def tax_on(amount: Decimal, treatment: Treatment, currency: str) -> Decimal:
    """The tax of one sum, rounded once: on top of it, or out of it where prices include tax."""
    over = HUNDRED + treatment.rate if treatment.is_inclusive else HUNDRED
    return to_minor(amount * treatment.rate / over, currency)


def breakdown(lines: Iterable[tuple[str, Decimal, str, Decimal, Decimal]]) -> dict[tuple[str, Decimal, str], Share]:
    """Net and tax by (category, rate, label), of lines as stored: (category, rate, label, net, tax), in their order."""
    made: dict[tuple[str, Decimal, str], Share] = {}
    for category, rate, label, net, tax in lines:
        _add(made, (category, rate, label), Share(net, tax))
    return made


def credited(amount: Decimal, tax: Decimal, net_before: Decimal, net: Decimal, currency: str) -> Decimal:
    """The tax of crediting `net` of a line (`amount` with `tax`) of which `net_before` was credited before.

    At the rate it bore: what all that is credited bears, less what was credited before; the whole line, the whole tax.
    """
    return _part(amount, tax, net_before + net, currency) - _part(amount, tax, net_before, currency)


def _part(amount: Decimal, tax: Decimal, net: Decimal, currency: str) -> Decimal:
    if net == amount or not amount:
        return tax
    return to_minor(tax * net / amount, currency)


def _add(
    sums: dict[tuple[str, Decimal, str], Share], key: tuple[str, Decimal, str], share: Share
) -> None:
    before = sums.get(key)
    sums[key] = share if before is None else Share(before.net + share.net, before.tax + share.tax)


def _label(rule: TaxRule) -> str:
    """`VAT 19 %`."""
    return f"{rule.label} {rule.tax_rate.normalize():f} %"
