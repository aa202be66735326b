"""The oracle: Tollbook's prepaid rules as slow, plain Python, written from the rules and not from the code.

One account, dictionaries and loops. Amounts are exact fractions until the one rounding. Nothing is imported from the
product, so a mistake would have to be made twice.
"""

from dataclasses import dataclass, field
from fractions import Fraction


def half_away(value: Fraction, places: int = 6) -> Fraction:
    """`value` rounded to `places`, half away from zero."""
    scaled = abs(value) * 10**places
    whole = scaled.numerator // scaled.denominator
    if scaled - whole >= Fraction(1, 2):
        whole += 1
    return Fraction(whole if value >= 0 else -whole, 10**places)


@dataclass(frozen=True)
class Rule:
    """A rate: cents per minute (timed) or per piece, a fee, steps in seconds."""

    cents: Fraction
    fee: Fraction = Fraction(0)
    initial: int = 1
    step: int = 1
    timed: bool = True
    least: Fraction = Fraction(0)


def billed(rule: Rule, quantity: Fraction) -> Fraction:
    """What is billed of `quantity`: nothing of nothing; time by the first step, then by as many whole steps as it takes."""
    if quantity == 0 or not rule.timed:
        return quantity
    beyond = max(Fraction(0), quantity - rule.initial)
    steps = beyond // rule.step + (1 if beyond % rule.step else 0)
    return Fraction(rule.initial + steps * rule.step)


def cost(rule: Rule, quantity: Fraction) -> Fraction:
    """What `quantity` costs, rounded once."""
    if quantity == 0:
        return Fraction(0)
    units = billed(rule, quantity) / (60 if rule.timed else 1)
    return max(rule.least, half_away(rule.fee + units * rule.cents / 100))


@dataclass
class Wallet:
    """Money of one kind of service: bought, given, set aside (see `holds`) by the id of what it is set aside for."""

    paid: Fraction = Fraction(0)
    granted: Fraction = Fraction(0)
    holds: dict[str, Fraction] = field(default_factory=dict)
    debits: int = 0

    @property
    def balance(self) -> Fraction:
        return self.paid + self.granted

    @property
    def held(self) -> Fraction:
        return sum(self.holds.values(), Fraction(0))


@dataclass
class Account:
    """One account: a wallet and a rule per kind, every event id ever seen with its body."""

    rules: dict[str, Rule]
    wallets: dict[str, Wallet]
    seen: dict[str, tuple] = field(default_factory=dict)
    left: dict[str, Fraction] = field(default_factory=dict)
    debit_of: dict[str, tuple] = field(default_factory=dict)
    paid_by: dict[tuple, Fraction] = field(default_factory=dict)
    batch: int = 0

    def use(self, id: str, kind: str, quantity: Fraction, *rest: object) -> str:
        """One event: `accepted`, `duplicate` or `conflict`."""
        body = (kind, quantity, *rest)
        if id in self.seen:
            return "duplicate" if self.seen[id] == body else "conflict"
        self.seen[id] = body
        self.left[id] = quantity
        self.debit_of[id] = (self.batch, kind)
        paid = self.wallets[kind].paid
        self.debit(kind, cost(self.rules[kind], quantity))
        taken = self.paid_by.get((self.batch, kind), Fraction(0))
        self.paid_by[self.batch, kind] = taken + paid - self.wallets[kind].paid
        return "accepted"

    def reverse(self, id: str, original: str, quantity: Fraction | None = None) -> str:
        """Take `quantity` (None: all) of an event back: `accepted`, `duplicate`, `conflict`, or why not.

        What remains costs what it would have cost by itself. Bought credit returns first, as far as the debit (one for
        each kind of each batch) took any; the rest is given credit.
        """
        body = ("reversal", original, quantity)
        if id in self.seen:
            return "duplicate" if self.seen[id] == body else "conflict"
        if original not in self.seen:
            return "unknown_original"
        if original not in self.left:
            return "not_an_original"
        left, kind = self.left[original], self.seen[original][0]
        if left == 0:
            return "already_reversed" if self.seen[original][1] else "nothing_to_reverse"
        back = left if quantity is None else quantity
        if back > left:
            return "more_than_left"
        self.seen[id] = body
        self.left[original] = left - back
        amount = cost(self.rules[kind], left) - cost(self.rules[kind], left - back)
        to_paid = min(amount, self.paid_by[self.debit_of[original]])
        self.paid_by[self.debit_of[original]] -= to_paid
        self.wallets[kind].paid += to_paid
        self.wallets[kind].granted += amount - to_paid
        return "accepted"

    def debit(self, kind: str, amount: Fraction) -> None:
        """Take what was given first, then what was bought, below zero if need be."""
        wallet = self.wallets[kind]
        from_granted = min(wallet.granted, amount)
        wallet.granted -= from_granted
        wallet.paid -= amount - from_granted
        wallet.debits += 1
