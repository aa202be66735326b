"""How accounts of the books are called in the operator's own chart of accounts.

Every code has an English name by default. A CSV file replaces any of them: `code,account` and, for Xero, `tax`; a code may
end in `*` and then stands for all that begin so; the longest one that fits is taken.

    code,account,tax
    receivable,1200,Tax Exempt
    wallet:*:paid,2400,Tax Exempt
    revenue:*,4000,Tax Exempt
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tollbook.errors import Invalid

NO_TAX = "Tax Exempt"
LONGEST = 150
NAMES = {
    "receivable": "Customer receivables",
    "credit": "Customer credit balances",
    "wallet:*:paid": "Deferred revenue - prepaid credit",
    "wallet:*:granted": "Promotional credit outstanding",
    "deferred:*": "Deferred revenue - subscriptions",
    "revenue:usage": "Revenue - usage",
    "revenue:recurring": "Revenue - subscriptions",
    "revenue:setup": "Revenue - setup fees",
    "revenue:discount": "Revenue - discounts",
    "revenue:adjustment": "Revenue - adjustments",
    "tax": "Sales tax payable",
    "tax:*": "Sales tax payable",
    "revenue:refund": "Refunds out of goodwill",
    "bad_debt": "Bad debt",
    "loss:disputes": "Losses in disputes",
    "fees:*": "Gateway fees",
    "promotion": "Promotional credit granted",
    "breakage": "Revenue - expired credit",
}


@dataclass(frozen=True, slots=True)
class Named:
    """An account of the operator's chart; `tax` is the name of its rate where a program wants one."""

    account: str
    tax: str = NO_TAX


@dataclass(frozen=True, slots=True)
class Chart:
    """Names by pattern of a code, those of a file before those that everybody has."""

    chosen: Mapping[str, Named] = field(default_factory=dict)

    def named(self, code: str) -> Named:
        """What this account of the books is called."""
        for names in (self.chosen, USUAL):
            fitting = [pattern for pattern in names if fnmatchcase(code, pattern)]
            if fitting:
                return names[max(fitting, key=lambda pattern: (len(pattern.replace("*", "")), pattern))]
        return Named(code.replace(":", " - ").capitalize())


USUAL = {pattern: Named(name) for pattern, name in NAMES.items()}


def chosen(path: Path | None) -> Chart:
    """The chart of a file, or the usual names."""
    return read(path) if path else Chart()


def read(path: Path) -> Chart:
    """The chart of a CSV file. Raises Invalid, with the line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return parse(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"The chart of accounts {path} can't be read: {error}", field="accounts") from None


def parse(lines: Iterable[Mapping[str, str | None]]) -> Chart:
    """The same of lines that were read already."""
    names: dict[str, Named] = {}
    for number, line in enumerate(lines, 2):
        code, account, tax = (" ".join((line.get(name) or "").split()) for name in ("code", "account", "tax"))
        if not code or not account or len(account) > LONGEST or "?" in code or "[" in code:
            raise Invalid(f"Line {number} needs a code (it may have * in it) and an account.", field="accounts")
        if code in names:
            raise Invalid(f"Line {number}: {code} stands there twice.", field="accounts")
        names[code] = Named(account, tax or NO_TAX)
    return Chart(names)
