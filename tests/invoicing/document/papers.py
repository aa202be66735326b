"""The cast of these tests: a seller, a buyer, and papers that add up."""

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pypdf

from tollbook.invoicing.document.paper import Line, Paper, Party

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 40"><rect width="80" height="40" fill="#3b5bdb"/></svg>'
SELLER = Party(
    name="Tollbook Voice",
    legal_name="Tollbook Voice, Inc.",
    address_lines=("548 Market Street", "San Francisco, CA 94104"),
    country="US",
    tax_id="94-3217745",
    email="billing@tollbook.example",
)
BUYER = Party(
    name="Northwind Traders",
    legal_name="Northwind Traders LLC",
    address_lines=("1200 Fifth Avenue", "Seattle, WA 98101"),
    country="US",
    tax_id="91-1144442",
)


def line(position: int, description: str = "Agent seats", amount: str = "1225.00", **more: Any) -> Line:
    """A line with sensible rest."""
    return Line(position, description, Decimal(amount), **more)


def paper(*lines: Line, tax: str = "0", **more: Any) -> Paper:
    """An invoice of `lines` (one, when none is given; the last bears all `tax`), with sums that fit, else as `more` says."""
    lines = lines or (line(1),)
    tax_label = more.pop("tax_label", "")
    if Decimal(tax) or tax_label:
        lines = (*lines[:-1], replace(lines[-1], tax=Decimal(tax), tax_label=tax_label))
    subtotal = sum((each.amount for each in lines), Decimal(0))
    fields: dict[str, Any] = {
        "number": "INV-000132",
        "issued_on": date(2026, 11, 3),
        "due_on": date(2026, 12, 1),
        "currency": "USD",
        "seller": SELLER,
        "buyer": BUYER,
        "lines": lines,
        "subtotal": subtotal,
        "tax": Decimal(tax),
        "total": subtotal + Decimal(tax),
        "amount_due": subtotal + Decimal(tax),
        "payment_state": "Due on Dec 1, 2026",
    }
    return Paper(**(fields | more))


def pages(document: bytes) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages]


def words(document: bytes) -> str:
    """All text, with any white space as one space."""
    return " ".join(" ".join(pages(document)).split())
