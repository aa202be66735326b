"""The oracle's holds: what may be set aside for a call, slice by slice, and what becomes of it. Written from the rules.

A call may use several wallets at once; its first kind is the call itself, whose event bears the call's own id, and every
other kind's event is `<id>#<kind>`. Quantities and amounts of a call count from its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tests.model import books
from tests.model.books import Rule, cost

NOTHING = Fraction(0)
LARGEST = Fraction(100_000_000)
A_LITTLE = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class Wish:
    """How much of one kind is asked for: a quantity, or an amount of money."""

    kind: str
    quantity: Fraction | None = None
    amount: Fraction | None = None


@dataclass
class Part:
    """What a call was granted of one kind so far, and the money set aside for it."""

    quantity: Fraction = NOTHING
    amount: Fraction = NOTHING


@dataclass
class Call:
    """Something for which money is set aside: open, then captured, released or expired."""

    id: str
    parts: dict[str, Part]
    state: str = "open"

    def event(self, kind: str) -> str:
        """The id of the event that this kind's part becomes."""
        return self.id if kind == next(iter(self.parts)) else f"{self.id}#{kind}"


@dataclass
class Account(books.Account):
    """An account that also sets money aside; `overdraft` is how far below zero its zero rule lets it go."""

    overdraft: Fraction = NOTHING
    calls: list[Call] = field(default_factory=list)

    def use(self, id: str, kind: str, quantity: Fraction, *rest: object) -> str:
        """As without holds; what was set aside for the event is let go."""
        outcome = super().use(id, kind, quantity, *rest)
        if outcome == "accepted":
            self._arrived(id)
        return outcome

    def place(self, id: str, wishes: Sequence[Wish], less: bool) -> tuple[str, Call | None, bool]:
        """Set money aside for a call: `held` (and whether it is the final unit), `known` or `too little`."""
        call = Call(id, {wish.kind: Part() for wish in wishes})
        if any(call.event(kind) in self.seen for kind in call.parts) or self._open(id):
            return "known", None, False
        if any(self.available(wish.kind) <= 0 for wish in wishes):
            return "too little", None, False
        outcome, final = self._grant(call, wishes, less)
        if outcome == "held":
            self.calls.append(call)
        return outcome, call, final

    def extend(self, call: Call, wishes: Sequence[Wish], less: bool) -> tuple[str, bool]:
        """Set more aside for an open call: `held`; or `over`, `too little` or `too much`, which leaves it as it was."""
        return self._grant(call, wishes, less) if call.state == "open" else ("over", False)

    def capture(self, call: Call, used: Sequence[tuple[str, Fraction]]) -> str | tuple[int, int]:
        """Debit what was used, once: how many events were new and how many known; or `conflict` or `over`, and nothing."""
        told = [(call.event(kind), (kind, quantity)) for kind, quantity in used]
        if any(self.seen.get(id, body) != body for id, body in told):
            return "conflict"
        if call.state not in ("open", "captured"):
            return "over"
        outcomes = [self.use(id, *body) for id, body in told]
        self._end(call, "captured")
        return outcomes.count("accepted"), outcomes.count("duplicate")

    def release(self, call: Call) -> str:
        """Let the money go: `released`, also when it was before, or `over`."""
        if call.state == "open":
            self._end(call, "released")
        return "released" if call.state == "released" else "over"

    def expire(self, call: Call) -> None:
        """Time is over."""
        self._end(call, "expired")

    def available(self, kind: str) -> Fraction:
        """What may still be set aside."""
        wallet = self.wallets[kind]
        return wallet.balance - wallet.held + self.overdraft

    def _open(self, id: str) -> Call | None:
        return next((call for call in self.calls if call.id == id and call.state == "open"), None)

    def _grant(self, call: Call, wishes: Sequence[Wish], less: bool) -> tuple[str, bool]:
        """All wishes or none; with `less`, each as far as its own wallet goes, but something of each."""
        granted = []
        for wish in wishes:
            part = self._part(call.parts[wish.kind], wish, less)
            if part is None or part.quantity > LARGEST:
                return "too little" if part is None else "too much", False
            granted.append(part)
        for wish, part in zip(wishes, granted, strict=True):
            call.parts[wish.kind] = part
            self.wallets[wish.kind].holds[call.id] = part.amount
        return "held", any(self._is_last(call.parts[wish.kind], wish, less) for wish in wishes)

    def _part(self, so_far: Part, wish: Wish, less: bool) -> Part | None:
        rule, room = self.rules[wish.kind], self.available(wish.kind)
        whole = wanted(rule, so_far, wish)
        if whole.amount - so_far.amount <= max(room, NOTHING):
            return whole
        if less:
            quantity = paid_for(rule, so_far.amount + room)
            if quantity > so_far.quantity:
                return Part(quantity, max(so_far.amount, cost(rule, quantity)))
        return None

    def _is_last(self, part: Part, wish: Wish, less: bool) -> bool:
        """Whether the same again, or with `less` anything more at all, would be refused now."""
        rule, room = self.rules[wish.kind], max(self.available(wish.kind), NOTHING)
        if less:
            return cost(rule, part.quantity + (A_LITTLE if rule.timed else 1)) - part.amount > room
        return wanted(rule, part, wish).amount - part.amount > room

    def _arrived(self, id: str) -> None:
        """An event was debited: its call is over, or what was set aside for one further kind of a call is let go."""
        call = self._open(id)
        if call:
            self._end(call, "captured")
            return
        name, _, kind = id.rpartition("#")
        call = self._open(name)
        if call and kind in list(call.parts)[1:]:
            call.parts[kind] = Part()
            self.wallets[kind].holds.pop(call.id, None)

    def _end(self, call: Call, state: str) -> None:
        if call.state == "open":
            call.state = state
            for kind in call.parts:
                self.wallets[kind].holds.pop(call.id, None)


def wanted(rule: Rule, so_far: Part, wish: Wish) -> Part:
    """All of a wish together with what there is; money for at least the first step."""
    if wish.quantity is not None:
        quantity = so_far.quantity + wish.quantity
        return Part(quantity, max(so_far.amount, cost(rule, quantity)))
    amount = max(so_far.amount + wish.amount, cost(rule, A_LITTLE if rule.timed else Fraction(1)))
    return Part(max(so_far.quantity, paid_for(rule, amount)), amount)


def paid_for(rule: Rule, amount: Fraction) -> Fraction:
    """The whole steps that an amount pays for in full, counted one by one."""
    if amount < rule.least or amount < rule.fee:
        return NOTHING
    if rule.cents == 0:
        return LARGEST
    quantity, following = NOTHING, Fraction(rule.initial if rule.timed else 1)
    while rule.fee + following / (60 if rule.timed else 1) * rule.cents / 100 <= amount:
        quantity = following
        following += rule.step if rule.timed else 1
    return quantity
