"""A receipt or a statement on paper: a table of finished texts under the same frame as an invoice's."""

from dataclasses import dataclass
from datetime import date

from tollbook.invoicing.document.paper import PLAIN_ACCENT, Party


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; figures stand to the right."""

    name: str
    is_figure: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """One document. Rows have a text for each column; `sums` are labels and amounts below the last one, the last in bold.

    `headline` is a label, an amount and a currency; `state` the sentence beside it. `facts` stand above, by name. `empty` is
    printed where there are no rows. `made_on` dates the file; `is_settled` colours the state as something done.
    """

    kind: str
    number: str
    made_on: date
    seller: Party
    buyer: Party
    facts: tuple[tuple[str, str], ...]
    headline: tuple[str, str, str]
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    sums: tuple[tuple[str, str], ...]
    state: str = ""
    is_settled: bool = False
    empty: str = ""
    notes: str = ""
    logo_svg: str | None = None
    accent: str = PLAIN_ACCENT
    locale: str = "en-US"
    zone: str = "UTC"
