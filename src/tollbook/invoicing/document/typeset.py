"""Paper to PDF: one pure function. The same paper gives the same bytes, at every call, in every process.

What people typed reaches the layout as JSON data and is never part of its source, so no text can run, read or fetch
anything. The compiler sees the folder of this file and nothing else: no system fonts, no packages, no network.
"""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import typst

from tollbook.invoicing.document import figures
from tollbook.invoicing.document.countries import LETTER_COUNTRIES
from tollbook.invoicing.document.einvoice.carry import declared
from tollbook.invoicing.document.einvoice.cii import cii
from tollbook.invoicing.document.einvoice.statement import statement
from tollbook.invoicing.document.letters import clean, marked
from tollbook.invoicing.document.paper import Line, Paper, Party
from tollbook.invoicing.document.sheet import Sheet

_HERE = Path(__file__).parent
# Longer texts may be split by the end of a page; shorter ones move to the next page whole.
_MOVABLE_CHARACTERS, _MOVABLE_LINES = 600, 12


def typeset(paper: Paper) -> bytes:
    """The PDF of `paper` (PDF/A-3a and PDF/UA-1, Letter or A4). About ten milliseconds a page; safe in threads.

    An invoice or credit note that EN 16931 has words for carries them inside (Factur-X). A logo that can't be drawn is
    left out, and the seller's name stands in its place: a broken picture must not keep an invoice from its reader.
    """
    said = statement(paper)
    pdf = _drawn("invoice.typ", _content(paper, cii(said) if said else None), paper.issued_on)
    return declared(pdf) if said else pdf


def typeset_sheet(sheet: Sheet) -> bytes:
    """The PDF of a receipt or a statement; else as `typeset`."""
    return _drawn("sheet.typ", _content_of_sheet(sheet), sheet.made_on)


def _drawn(layout: str, content: dict[str, Any], made_on: date) -> bytes:
    try:
        return _compile(layout, content, made_on)
    except typst.TypstError:
        if content["logo_svg"] is None:
            raise
        return _compile(layout, content | {"logo_svg": None}, made_on)


def _compile(layout: str, content: dict[str, Any], made_on: date) -> bytes:
    return typst.compile(
        str(_HERE / layout),
        root=str(_HERE),
        font_paths=fonts(),
        ignore_system_fonts=True,
        package_path=str(_HERE / "none"),
        package_cache_path=str(_HERE / "none"),
        sys_inputs={"paper": json.dumps(content)},
        # Archivable, readable by machines, able to carry an e-invoice; and readable by screen readers.
        pdf_standards=["a-3a", "ua-1"],
        timestamp=datetime(made_on.year, made_on.month, made_on.day, tzinfo=UTC),
    )


@cache
def fonts() -> typst.Fonts:
    """The typefaces of documents and no others, read once in a process."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(_HERE / "fonts")])


def _content(paper: Paper, einvoice: str | None) -> dict[str, Any]:
    """Everything the layout prints, as finished text."""
    as_it_is = {"logo_svg": paper.logo_svg and clean(paper.logo_svg), "einvoice": einvoice}
    return as_it_is | _printable(
        {
            "title": f"{paper.kind} {paper.number}",
            "kind": paper.kind,
            "number": paper.number,
            "author": paper.seller.legal_name or paper.seller.name,
            "sheet": _paper_size(paper),
            "region": _region(paper.locale),
            "accent": paper.accent,
            "facts": _facts(paper),
            "seller": _party(paper.seller),
            "to": "Credit to" if paper.is_credit else "Bill to",
            "buyer": _party(paper.buyer),
            "lines": [_line(line, paper) for line in paper.lines],
            "sums": _sums(paper),
            "headline": _headline(paper),
            "payment_state": paper.payment_state,
            "settled": paper.amount_due <= 0,
            "payment_instructions": paper.payment_instructions,
            "notes": "\n".join(note for note in (paper.tax_note, paper.notes) if note),
            "zone": paper.zone,
        }
    )


def _content_of_sheet(sheet: Sheet) -> dict[str, Any]:
    columns = [[column.name, column.is_figure] for column in sheet.columns]
    sums = [[name, value, "part"] for name, value in sheet.sums[:-1]] + [[*last, "whole"] for last in sheet.sums[-1:]]
    as_it_is = {"logo_svg": sheet.logo_svg and clean(sheet.logo_svg)}
    return as_it_is | _printable(
        {
            "title": f"{sheet.kind} {sheet.number}",
            "kind": sheet.kind,
            "number": sheet.number,
            "author": sheet.seller.legal_name or sheet.seller.name,
            "sheet": _paper_size(sheet),
            "region": _region(sheet.locale),
            "accent": sheet.accent,
            "facts": [list(fact) for fact in sheet.facts],
            "seller": _party(sheet.seller),
            "to": "To",
            "buyer": _party(sheet.buyer),
            "headline": list(sheet.headline),
            "payment_state": sheet.state,
            "settled": sheet.is_settled,
            "columns": columns,
            "rows": [list(row) for row in sheet.rows],
            "sums": sums,
            "empty": sheet.empty,
            "notes": sheet.notes,
            "zone": sheet.zone,
        }
    )


def _paper_size(paper: Paper | Sheet) -> str:
    return "us-letter" if {paper.seller.country, paper.buyer.country} & LETTER_COUNTRIES else "a4"


def _region(locale: str) -> str | None:
    """The words of the layout are English; a region says whose English."""
    language, _, region = locale.partition("-")
    return region.lower() if language == "en" and re.fullmatch("[A-Z]{2}", region) else None


def _facts(paper: Paper) -> list[list[str]]:
    facts = [["Issued", figures.day(paper.issued_on, paper.locale)]]
    if paper.due_on:
        facts.append(["Due", figures.day(paper.due_on, paper.locale)])
    if paper.period_start_on and paper.period_end_on:
        facts.append(["Period", figures.span(paper.period_start_on, paper.period_end_on, paper.locale)])
    if paper.corrects:
        facts.append(["Corrects", f"{paper.corrects.number}, {figures.day(paper.corrects.issued_on, paper.locale)}"])
    if paper.po_number:
        facts.append(["PO number", paper.po_number])
    return facts


def _party(party: Party) -> dict[str, Any]:
    return {"name": party.name, "lines": list(party.lines_below)}


def _line(line: Line, paper: Paper) -> dict[str, Any]:
    text = f"{line.description}\n{line.detail}"
    return {
        "description": line.description,
        "detail": line.detail,
        "quantity": "" if line.quantity is None else figures.quantity(line.quantity, paper.locale),
        "unit": line.unit,
        "unit_price": "" if line.unit_price is None else _money(line.unit_price, paper),
        "amount": _money(line.amount, paper),
        "long": len(text) > _MOVABLE_CHARACTERS or text.count("\n") > _MOVABLE_LINES,
    }


def _sums(paper: Paper) -> list[list[str]]:
    """Label, amount and kind of each row under the lines; parts only where there is something to tell apart."""
    rows: list[tuple[str, Decimal, str]] = []
    taxes = [share for share in paper.taxes if share.tax or share.label]
    if taxes:
        rows.append(("Subtotal", paper.subtotal, "part"))
        rows += [(share.label or "Tax", share.tax, "part") for share in taxes]
    rows.append(("Total credited" if paper.is_credit else "Total", paper.total, "whole"))
    if not paper.is_credit and paper.amount_due != paper.total:
        rows += [("Paid", paper.amount_due - paper.total, "part"), ("Amount due", paper.amount_due, "due")]
    return [[label, _money(amount, paper), kind] for label, amount, kind in rows]


def _headline(paper: Paper) -> list[str]:
    """The one figure people look for: what to pay, or, when nothing is, what it came to."""
    if paper.is_credit:
        return ["Total credited", _money(paper.total, paper), paper.currency]
    settled = paper.amount_due <= 0
    amount = paper.total if settled else paper.amount_due
    return ["Total" if settled else "Amount due", _money(amount, paper), paper.currency]


def _money(amount: Decimal, paper: Paper) -> str:
    return figures.money(amount, paper.currency, paper.locale)


def _printable(value: Any) -> Any:
    """`value` with every text in it made printable, its endless runs marked; lists and dictionaries are walked."""
    if isinstance(value, str):
        return marked(value)
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    return value
