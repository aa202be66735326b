"""A slow, plain model of what is owed, paid, kept as credit, given back and contested: lists and sums of cents."""

from dataclasses import dataclass, field


@dataclass
class Paid:
    """One payment: where its cents are."""

    cents: int
    on: dict[int, int] = field(default_factory=dict)
    credit: int = 0
    gone: int = 0
    contested: str = ""
    taken: int = 0
    is_charged: bool = False

    def refundable(self) -> int:
        return self.cents - self.gone - (self.cents if self.contested in ("open", "lost") else 0)


@dataclass
class Books:
    """An account: what is owed on each invoice, and its payments in the order they came."""

    totals: list[int] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    goodwill: int = 0
    loss: int = 0
    fees: int = 0

    def issue(self, cents: int) -> None:
        self.totals.append(cents)
        self.owed.append(cents)

    def pay(self, invoice: int, cents: int) -> None:
        """What is more than is owed becomes credit, which pays what else is owed."""
        one = Paid(cents)
        self.paid.append(one)
        self._apply(one, invoice, min(cents, self.owed[invoice]))
        one.credit = cents - sum(one.on.values())
        if one.credit:
            self.use()

    def use(self) -> None:
        """Credit, oldest first, pays invoices, oldest first; what is contested waits."""
        for one in self.paid:
            for invoice, owed in enumerate(self.owed):
                part = min(one.credit, owed) if one.contested != "open" else 0
                one.credit -= part
                self._apply(one, invoice, part)

    def back(self, which: int, source: str, cents: int) -> bool:
        """Whether that much could go back from there."""
        one = self.paid[which]
        first = self._most_paid(one)
        most = {"credit": one.credit, "invoice": one.on.get(first, 0), "goodwill": one.refundable()}[source]
        if one.contested == "open" or not 0 < cents <= min(most, one.refundable()):
            return False
        one.gone += cents
        if source == "credit":
            one.credit -= cents
        elif source == "invoice":
            self._apply(one, first, -cents)
        else:
            self.goodwill += cents
        return True

    def contest(self, which: int, state: str) -> None:
        one = self.paid[which]
        before, one.contested = one.contested or "open", state
        self.fees += 0 if one.is_charged else 1500
        one.is_charged = True
        if state == "lost" and before == "open":
            self._lose(one)
        elif state == "won":
            self.loss -= one.cents - one.taken if before == "lost" else 0
            one.credit, one.taken = one.credit + one.taken, 0
            self.use()

    def _lose(self, one: Paid) -> None:
        left = one.cents
        part = min(left, one.credit)
        one.credit, left = one.credit - part, left - part
        for invoice in sorted(one.on, reverse=True):
            part = min(left, one.on[invoice])
            self._apply(one, invoice, -part)
            left -= part
        one.taken = one.cents - left
        self.loss += left

    def _apply(self, one: Paid, invoice: int, cents: int) -> None:
        self.owed[invoice] -= cents
        one.on[invoice] = one.on.get(invoice, 0) + cents

    @staticmethod
    def _most_paid(one: Paid) -> int:
        return max(one.on, key=lambda invoice: (one.on[invoice], -invoice), default=-1)
