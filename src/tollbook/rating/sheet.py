"""A carrier's rate sheet (CSV) as lines of a deck. Pure: no database. Every line that can't be taken is named.

Sheets come in many dress: with commas, semicolons, tabs or bars, with a byte-order mark, quoted or not, `+1212` or
`1212`, `30/6` in one column or in two, decimal commas beside semicolons. What a column means is told by its name.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tollbook.errors import Invalid
from tollbook.money.amount import HUNDRED, MICRO, ZERO
from tollbook.rating.destination import DIGITS, is_prefix
from tollbook.rating.set_rate import LARGEST_PRICE

LONGEST_STEP = 86_400
LONGEST_DESCRIPTION = 100
EVERYWHERE = {"*", "any", "all", "default"}

# What columns are called, the surest name first: their words in small letters, without signs, spaces and units.
NAMES = {
    "prefix": ("prefix", "dialprefix", "dialingprefix", "dialcode", "dialingcode", "destinationprefix", "destinationcode",
               "code"),
    "rate": ("rate", "newrate", "rateperminute", "ratepermin", "ratemin", "price", "newprice", "priceperminute",
             "pricepermin", "pricemin"),
    "description": ("description", "destinationname", "destination", "name", "areaname", "region", "country"),
    "connect_fee": ("connectfee", "connectionfee", "connectioncharge", "connectcharge", "callsetupfee", "setupfee"),
    "minimum_charge": ("minimumcharge", "mincharge", "minimumfee", "minimumprice"),
    "initial": ("initial", "initialincrement", "initialinterval", "initialseconds", "firstinterval", "firstincrement",
                "interval1", "initblock", "minimumduration", "minduration", "minimumtime", "mintime"),
    "increment": ("increment", "increments", "incrementseconds", "billingincrement", "billingincrements", "billinginterval",
                  "subsequentincrement", "subsequentinterval", "nextincrement", "nextinterval", "interval2", "intervaln",
                  "interval", "billingblock", "rounding"),
}  # fmt: skip
CURRENCY = re.compile(r"[$€£¥]|\b(usd|eur|gbp|cad|aud|nzd|dollars?|euros?)\b", re.IGNORECASE)
NOT_NAMES = frozenset(("usd", "eur", "gbp", "cad", "aud", "nzd", "dollar", "dollars", "euro", "euros", "in", "cents"))
DECIMAL = re.compile(r"\d{1,12}(\.\d{0,12})?|\.\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """A rate as the sheet gives it: cents per unit, fees in the currency, steps in seconds. Numbers count from 1."""

    number: int
    prefix: str
    rate_cents: Decimal
    description: str = ""
    connect_fee: Decimal = ZERO
    minimum_charge: Decimal = ZERO
    initial_seconds: int = 1
    increment_seconds: int = 1

    @property
    def terms(self) -> tuple[Decimal, Decimal, Decimal, int, int]:
        """What a destination costs, without its name."""
        return self.rate_cents, self.connect_fee, self.minimum_charge, self.initial_seconds, self.increment_seconds


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be taken, and why: a sentence without its full stop."""

    number: int
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How a sheet is to be read. `in_currency`: its prices are in dollars, not in cents (None: they are in cents, unless
    the column's name says otherwise, which is asked about). `steps`: initial and further seconds where it has none.
    `timed`: whether steps matter.
    """

    in_currency: bool | None = None
    steps: tuple[int, int] = (1, 1)
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file holds. `columns`: what was read out of which column; `ignored`: the columns that were not read."""

    columns: dict[str, str]
    ignored: list[str]
    lines: list[Line] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)


def read(data: bytes, reading: Reading) -> Sheet:
    """Read a whole sheet. Raises Invalid when it is none: no text, or no columns that can be told apart."""
    text, delimiter = _text(data)
    rows = _rows(text, delimiter)
    header = next(rows, (1, [""], 1))[1]
    places = _places(header)
    if reading.in_currency is None and CURRENCY.search(header[places["rate"]]):
        says = f"Is the column “{header[places['rate']]}” in cents per unit or in whole currency units? Say which."
        raise Invalid(says, field="in_currency")
    maker = _Maker(places, reading, decimal_comma=delimiter != ",")
    used = {meaning: header[place] for meaning, place in places.items()}
    sheet = Sheet(used, [name for name in header if name and name not in used.values()])
    _fill(sheet, maker, rows)
    return sheet


class _Wrong(ValueError):
    """What is wrong with one line."""


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes lines of rows, whose columns stand at `places`."""

    places: dict[str, int]
    reading: Reading
    decimal_comma: bool

    def line(self, number: int, row: Sequence[str]) -> Line:
        """The row as a line. Raises _Wrong."""
        cents = self._amount("rate", self._cell(row, "rate"), HUNDRED if self.reading.in_currency else Decimal(1))
        fees = {name: self._cell(row, name) for name in ("connect_fee", "minimum_charge")}
        fee, least = (self._amount(name.replace("_", " "), text) if text else ZERO for name, text in fees.items())
        return Line(
            number,
            _prefix(self._cell(row, "prefix")),
            cents,
            self._cell(row, "description")[:LONGEST_DESCRIPTION],
            fee,
            least,
            *self._steps(row),
        )

    def _cell(self, row: Sequence[str], meaning: str) -> str:
        place = self.places.get(meaning, len(row))
        return row[place] if place < len(row) else ""

    def _amount(self, name: str, text: str, times: Decimal = Decimal(1)) -> Decimal:
        bare = text.strip("$€£¥ ")
        if self.decimal_comma and "." not in bare:
            bare = bare.replace(",", ".", 1)
        if not DECIMAL.fullmatch(bare):
            raise _Wrong(f"the {name} “{text[:40]}” is not a price" if text else f"the {name} is missing")
        value = Decimal(bare) * times
        if value > LARGEST_PRICE:
            raise _Wrong(f"the {name} “{text[:40]}” is more than {LARGEST_PRICE:,}")
        if value != value.quantize(MICRO):
            raise _Wrong(f"the {name} “{text[:40]}” has too many decimal places")
        return value

    def _steps(self, row: Sequence[str]) -> tuple[int, int]:
        if not self.reading.timed:
            return 1, 1
        first, further = self._cell(row, "initial"), self._cell(row, "increment")
        if "/" in further or "/" in first:
            first, _, further = (further if "/" in further else first).partition("/")
        if not first and not further:
            return self.reading.steps
        return _seconds(first or further), _seconds(further or first)


def _fill(sheet: Sheet, maker: _Maker, rows: Iterator[tuple[int, list[str], int]]) -> None:
    """Sort the rows into lines and bad lines. A line that stands there twice, alike, counts once."""
    seen: dict[str, Line] = {}
    for number, row, height in rows:
        try:
            if height > 1:
                raise _Wrong(f"a quotation mark is not closed before line {number + 1}")
            line = maker.line(number, row)
            first = seen.setdefault(line.prefix, line)
            if first is line:
                sheet.lines.append(line)
            elif first.terms != line.terms:
                raise _Wrong(f"{shown(line.prefix)} stands on line {first.number} already, at another price")
        except _Wrong as wrong:
            sheet.bad.append(BadLine(number, str(wrong)))


def shown(prefix: str) -> str:
    """A prefix as people write it: `+1212`, and `*` for all destinations."""
    return f"+{prefix}" if prefix else "*"


def _text(data: bytes) -> tuple[str, str]:
    """The text of a file, without what spreadsheet programs put in front of it, and what parts its columns."""
    if data.startswith(b"PK\x03\x04"):
        raise Invalid("This is a spreadsheet's own file; save it as CSV.", field="file")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise Invalid("This is not a text file; save the sheet as CSV.", field="file")
    head = text.lstrip().split("\n", 1)[0]
    if head[:4].lower() == "sep=":
        return text.replace(head, "", 1), head[4:5].strip() or "\t"
    return text, max(",;\t|", key=head.count)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str], int]]:
    """The rows that are not empty, with the number of their first line and how many lines they have."""
    rows, before = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True), 0
    while True:
        try:
            row = [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(f"Line {before + 1} can't be read: {error}.", field="file") from None
        number, before = before + 1, rows.line_num
        if any(row):
            yield number, row, rows.line_num - number + 1


def _places(header: Sequence[str]) -> dict[str, int]:
    """Which column means what. Raises Invalid when one that is needed is missing, or two have one name."""
    words = [[word for word in re.findall(r"[a-z0-9]+", name.lower()) if word not in NOT_NAMES] for name in header]
    named = ["".join(parts) for parts in words]
    places = {}
    for meaning, names in NAMES.items():
        name = next((name for name in names if name in named), None)
        if name is not None:
            places[meaning] = named.index(name)
            if named.count(name) > 1:
                raise Invalid(f"Two columns are called “{header[places[meaning]][:40]}”.", field="file")
    missing = [meaning for meaning in ("prefix", "rate") if meaning not in places]
    if missing:
        found = ", ".join(name[:40] for name in header[:20] if name) or "nothing"
        says = f"The first line must name the columns, and a {' and a '.join(missing)} among them; it has: {found}."
        raise Invalid(says, field="file")
    return places


def _prefix(text: str) -> str:
    bare = text.strip("=\"'+ ")
    if bare.lower() in EVERYWHERE:
        return ""
    if not bare:
        raise _Wrong("the prefix is missing; write * for all destinations that are not listed")
    if not is_prefix(bare):
        raise _Wrong(f"“{text[:40]}” is not a prefix: digits only, at most {DIGITS}")
    return bare


def _seconds(text: str) -> int:
    bare = text.strip().removesuffix("s").strip()
    if not (bare.isascii() and bare.isdigit() and len(bare) <= 6 and 1 <= int(bare) <= LONGEST_STEP):
        raise _Wrong(f"“{text[:40]}” is not a billing step: whole seconds, from 1 to {LONGEST_STEP}")
    return int(bare)
