"""What something would cost, told before it happens and without debiting anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tollbook.money.amount import MICRO, ZERO
from tollbook.rating.card import LARGEST_QUANTITY
from tollbook.rating.deck import Deck, decks_of
from tollbook.rating.price import Priced, Terms, price
from tollbook.rating.segments import encoding, segments
from tollbook.rating.tables import CreditType, Rate

LONGEST_TEXT = 2_000
LONGEST_NUMBER = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be rated: a quantity in the type's unit, or a message's text (for types that count segments)."""

    account_id: UUID
    type_code: str
    at: datetime
    to: str = ""
    quantity: Decimal | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What would be debited, and by which rate. `encoding` of the text, where one was given."""

    asked: Asked
    unit: str
    quantity: Decimal
    encoding: str | None
    terms: Terms
    description: str
    priced: Priced


@dataclass(frozen=True, slots=True)
class NoQuote:
    """Why there is no price: the code with which such an event would be rejected, and a sentence."""

    code: str
    message: str


def quotes(asked: Sequence[Asked]) -> list[Quote | NoQuote]:
    """What each would cost. Reads only: three small queries, and the rates that are not in memory yet."""
    account_ids = list(dict.fromkeys(one.account_id for one in asked))
    decks = decks_of(account_ids)
    by_account = {account_id: decks.deck(account_id) for account_id in account_ids}
    units = dict(CreditType.objects.values_list("code", "unit"))
    return _described([_quote(by_account[one.account_id], one, units) for one in asked])


def _quote(deck: Deck, one: Asked, units: Mapping[str, str]) -> Quote | NoQuote:
    if one.type_code not in deck.types:
        return NoQuote("unknown_type", f"There is no credit type “{one.type_code[:40]}”.")
    unit = units[one.type_code]
    refusal = _refusal(one, unit)
    if refusal:
        return refusal
    terms = deck.find(one.type_code, one.to, one.at)
    if terms is None:
        return NoQuote("no_rate", f"No rate for {one.type_code}{f' to {one.to}' if one.to else ''} at that time.")
    quantity = Decimal(segments(one.text)) if one.text is not None else one.quantity or ZERO
    used = encoding(one.text) if one.text is not None else None
    return Quote(one, unit, quantity, used, terms, "", price(terms, quantity))


def _refusal(one: Asked, unit: str) -> NoQuote | None:
    """What is wrong with a question, in the words an event with the same fault would be rejected with."""
    if len(one.to) > LONGEST_NUMBER or not one.to.isprintable():
        return NoQuote("bad_number", f"to has at most {LONGEST_NUMBER} printable characters.")
    if (one.quantity is None) == (one.text is None):
        return NoQuote("bad_quantity", "Give either a quantity or a text.")
    if one.text is not None:
        return _refusal_of_text(one.text, unit)
    if one.quantity is None or not one.quantity.is_finite() or not 0 <= one.quantity <= LARGEST_QUANTITY:
        return NoQuote("bad_quantity", f"The quantity must be between 0 and {LARGEST_QUANTITY}.")
    if one.quantity.quantize(MICRO) != one.quantity:
        return NoQuote("bad_quantity", "The quantity has more than 6 decimal places.")
    return None


def _refusal_of_text(text: str, unit: str) -> NoQuote | None:
    if unit != CreditType.Unit.SEGMENTS:
        return NoQuote("bad_quantity", f"A text can be rated where segments are counted; this type counts {unit}.")
    if len(text) > LONGEST_TEXT:
        return NoQuote("bad_quantity", f"A text has at most {LONGEST_TEXT:,} characters.")
    return None


def _described(answers: list[Quote | NoQuote]) -> list[Quote | NoQuote]:
    """The same with what the operator wrote beside each rate."""
    terms = {answer.terms.id: answer.terms.account_id for answer in answers if isinstance(answer, Quote)}
    rates = Rate.objects.filter(account_id__in=set(terms.values()), id__in=terms.keys())
    texts = dict(rates.values_list("id", "description")) if terms else {}
    return [
        replace(answer, description=texts.get(answer.terms.id, "")) if isinstance(answer, Quote) else answer
        for answer in answers
    ]
