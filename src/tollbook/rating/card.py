"""The rate card: what an account pays now, per credit type and destination, and which rate a number would get.

Read only. It shows the rates that would be used and no others: a default rate that one of the account's own rates
comes before is left out, as rating would never use it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import overload
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tollbook.errors import Invalid
from tollbook.rating.compiled import NEVER, Columns, Compiled, Rows
from tollbook.rating.deck import Deck, deck_of, microseconds, terms_at
from tollbook.rating.destination import DIGITS, SPAN, is_prefix, key_of, width_of
from tollbook.rating.price import Priced, Terms, price
from tollbook.rating.tables import Rate

LARGEST_QUANTITY = Decimal(100_000_000)
NOWHERE = -1  # the place of a type that there is not


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


class Rates(Sequence[Terms]):
    """Rates of one type in force at one instant, by prefix. Terms are made as they are asked for: there may be 200,000."""

    def __init__(self, rates: Columns, owners: Sequence[UUID], owned: NDArray[np.intp], timed: bool) -> None:
        self._rates, self._owners, self._owned, self._timed = rates, owners, owned, timed

    def __len__(self) -> int:
        return len(self._rates)

    @overload
    def __getitem__(self, place: int) -> Terms: ...
    @overload
    def __getitem__(self, place: slice) -> "Rates": ...
    def __getitem__(self, place: int | slice) -> "Terms | Rates":
        if isinstance(place, slice):
            return self._only(np.arange(len(self))[place])
        return terms_at(self._rates[place], self._owners[self._owned[place]], self._timed)

    def beginning(self, text: str) -> "Rates":
        """Those whose prefix begins with the digits of `text`, or would be used for a number that begins so."""
        digits = text.strip().lstrip("+")[:DIGITS]
        key = key_of(digits)
        begins = (self._rates["low"] <= key) & (key < self._rates["high"])
        if is_prefix(digits):
            begins |= (key <= self._rates["low"]) & (self._rates["low"] < key + width_of(len(digits)))
        return self._only(np.flatnonzero(begins))

    def _only(self, places: NDArray[np.intp]) -> "Rates":
        return Rates(self._rates.take(places), self._owners, self._owned[places], self._timed)


def summaries(account_id: UUID, at: datetime) -> dict[str, Summary]:
    """One line for each active credit type."""
    deck = deck_of(account_id)
    return {code: _summary(deck.find(code, "", at), _in_force(deck, code, at)) for code in deck.places}


def lines(account_id: UUID, type_code: str, at: datetime) -> Rates:
    """Every rate of one type that is in force, by prefix; `described` adds what is printed beside them."""
    deck = deck_of(account_id)
    group, timed = deck.places.get(type_code, (NOWHERE, False))
    parts = [(owner, table.rates.take(rows)) for owner, table, rows in _in_force(deck, type_code, at)]
    rates = np.concatenate([part for _, part in parts]) if len(parts) > 1 else parts[0][1]
    rates["low"] -= group * SPAN
    rates["high"] -= group * SPAN
    order = np.argsort(rates["low"]) if len(parts) > 1 else np.arange(len(rates))
    owned = np.repeat(np.arange(len(parts)), [len(part) for _, part in parts])
    return Rates(rates.take(order), [owner for owner, _ in parts], owned[order], timed)


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


def _in_force(deck: Deck, type_code: str, at: datetime) -> list[tuple[UUID, Compiled, Rows]]:
    """The rows of the account's own rates valid at `at`, and of the default ones that none of them comes before."""
    group, _ = deck.places.get(type_code, (NOWHERE, False))
    at_us = microseconds(at)
    parts = [(owner, table, table.in_force(group, at_us)) for owner, table in deck.tables()]
    if deck.own:
        owner, table, rows = parts[-1]
        low = table.rates["low"][rows]
        seen = deck.own.search(low, np.full(len(low), at_us)) == NEVER
        parts[-1] = (owner, table, rows[seen])
    return parts


def _summary(flat: Terms | None, parts: Sequence[tuple[UUID, Compiled, Rows]]) -> Summary:
    cents = np.concatenate([table.rates["rate_e6"][rows] for _, table, rows in parts])
    listed = sum(int(np.count_nonzero(table.rates["length"][rows])) for _, table, rows in parts)
    lowest, highest = (Decimal(int(end(cents))).scaleb(-6) if len(cents) else None for end in (np.min, np.max))
    return Summary(flat, listed, lowest, highest)
