"""The rate card: what an account pays now, per credit type and destination, and which rate a number would get.

Read only. It shows the rates that would be used and no others: a default rate that one of the account's own rates
comes before is left out, as rating would never use it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tollbook.errors import Invalid
from tollbook.rating.deck import Deck, deck_of
from tollbook.rating.price import Priced, Terms, price
from tollbook.rating.tables import Rate

LARGEST_QUANTITY = Decimal(100_000_000)


@dataclass(frozen=True, slots=True)
class Summary:
    """One credit type's price in one line: the rate for any destination that is not listed (None: there is none), and
    the cheapest and dearest of all its destinations, in cents per minute, message or segment.
    """

    flat: Terms | None
    destinations: int
    lowest_cents: Decimal | None
    highest_cents: Decimal | None

    @property
    def varies(self) -> bool:
        """Whether the price depends on the destination."""
        return self.lowest_cents != self.highest_cents or (self.flat is None and self.destinations > 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the card. `is_own`: agreed with this account, not the operator's default."""

    terms: Terms
    description: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Example:
    """What one number would cost: the rate that applies and the price of a quantity in the type's unit."""

    terms: Terms
    description: str
    is_own: bool
    quantity: Decimal
    priced: Priced


def summaries(account_id: UUID, at: datetime) -> dict[str, Summary]:
    """One line for each active credit type."""
    deck = deck_of(account_id)
    return {code: _summary(list(_in_force(deck, code, at)), deck.find(code, "", at)) for code in deck.types}


def lines(account_id: UUID, type_code: str, at: datetime) -> list[Terms]:
    """Every rate of one type that is in force, by prefix; `described` adds what is printed beside them."""
    return sorted(_in_force(deck_of(account_id), type_code, at), key=lambda terms: terms.prefix)


def matching(rates: Iterable[Terms], text: str) -> list[Terms]:
    """Those rates whose prefix begins with the digits of `text`, or would be used for a number that begins so."""
    digits = text.strip().lstrip("+")
    return [terms for terms in rates if terms.prefix.startswith(digits) or digits.startswith(terms.prefix)]


def described(account_id: UUID, rates: Iterable[Terms]) -> list[Line]:
    """Lines with what the operator wrote beside each rate. One query."""
    listed = list(rates)
    owners, ids = {terms.account_id for terms in listed}, [terms.id for terms in listed]
    texts = dict(Rate.objects.filter(account_id__in=owners, id__in=ids).values_list("id", "description"))
    return [Line(terms, texts.get(terms.id, ""), terms.account_id == account_id) for terms in listed]


def rate(account_id: UUID, type_code: str, number: str, quantity: Decimal, at: datetime) -> Example | None:
    """What `quantity` of one type to `number` costs at `at`; None where there is no rate, so that it would be refused.

    Raises Invalid for a number or a quantity that no event could have.
    """
    digits = number.strip().lstrip("+")
    if not (digits == "" or (digits.isascii() and digits.isdigit() and len(digits) <= 20)):
        raise Invalid("Write the number with its country code, digits only, such as +12125550123.", field="number")
    if not quantity.is_finite() or not 0 <= quantity <= LARGEST_QUANTITY:
        raise Invalid("Write a quantity of 0 or more.", field="quantity")
    terms = deck_of(account_id).find(type_code, digits, at)
    if terms is None:
        return None
    line = described(account_id, [terms])[0]
    return Example(terms, line.description, line.is_own, quantity, price(terms, quantity))


def _summary(rates: list[Terms], flat: Terms | None) -> Summary:
    prices = [terms.rate_cents for terms in rates]
    listed = sum(1 for terms in rates if terms.prefix)
    return Summary(flat, listed, min(prices, default=None), max(prices, default=None))


def _in_force(deck: Deck, type_code: str, at: datetime) -> Iterator[Terms]:
    """The account's own rates valid at `at`, and the default ones that none of them comes before."""
    own = dict(_valid(deck.own, type_code, at))
    yield from own.values()
    for prefix, terms in _valid(deck.default, type_code, at):
        if not any(prefix[:length] in own for length in range(len(prefix) + 1)):
            yield terms


def _valid(rates: dict[tuple[str, str], list[Terms]], type_code: str, at: datetime) -> Iterator[tuple[str, Terms]]:
    for (code, prefix), versions in rates.items():
        if code == type_code:
            valid = next((one for one in versions if _valid_at(one, at)), None)
            if valid is not None:
                yield prefix, valid


def _valid_at(terms: Terms, at: datetime) -> bool:
    return terms.valid_from <= at and (terms.valid_until is None or at < terms.valid_until)
