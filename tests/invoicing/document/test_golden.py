"""Three documents as pictures, against those that somebody looked at: `golden/`.

A change of the layout, of a typeface or of typst shows here. Look at the new pages, then let them be written anew:
`TOLLBOOK_GOLDEN=write python -m pytest tests/invoicing/document/test_golden.py`.
"""

import os
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy
import pypdfium2
import pytest
from PIL import Image

from tests.invoicing.document.papers import BUYER, LOGO, SELLER, line, paper
from tollbook.invoicing.document.paper import CREDIT_NOTE, Corrected
from tollbook.invoicing.document.sheet import Column, Sheet
from tollbook.invoicing.document.typeset import typeset, typeset_sheet

FOLDER = Path(__file__).parent / "golden"
UNLIKE = 48
"""How far apart two shades (0 to 255) must be to count: edges of letters may be drawn a little differently elsewhere."""
MOST_UNLIKE = 0.0005
"""Of all the page: a letter or two."""
DAY = date(2026, 11, 3)


def invoice() -> bytes:
    seats = {"service_from": DAY, "service_until": DAY + timedelta(days=29)}
    return typeset(
        paper(
            line(1, quantity=Decimal(25), unit="seats", unit_price=Decimal(49), detail="Nov 3 – Dec 2", **seats),
            line(2, "Minimum charge", "240.70", quantity=Decimal("18234.5"), unit="min", unit_price=Decimal("0.0132")),
            line(3, "Discount", "-50.00", detail="10 % until Dec 31", tax_category="S", tax_rate=Decimal("10.25")),
            tax="145.11",
            tax_label="Sales tax, WA 10.25 %",
            po_number="PO-2026-0417",
            payment_instructions="Routing 125000024\nAccount 4410092277",
            notes="Thank you.",
            logo_svg=LOGO,
        )
    )


def credit_note() -> bytes:
    return typeset(
        paper(
            line(1, "Sièges d’agents", "100.00", quantity=Decimal(1), unit_price=Decimal(100), tax_category="S"),
            tax="20.00",
            tax_label="TVA 20 %",
            kind=CREDIT_NOTE,
            number="CN-000007",
            corrects=Corrected("INV-000132", DAY),
            currency="EUR",
            locale="fr-FR",
            seller=replace(SELLER, country="FR", tax_id="FR32123456789"),
            buyer=replace(BUYER, country="BE", name="北風 Traders"),
            amount_due=Decimal(0),
            due_on=None,
            payment_state="Credited against INV-000132.",
            notes="An outage of 14 hours",
        )
    )


def account_statement() -> bytes:
    figures = [Column(name, is_figure=True) for name in ("Charged", "Paid or credited", "Balance")]
    rows = [(f"Nov {day}, 2026", "Invoice", f"INV-{day:06}", "$10.00", "", f"${day * 10}.00") for day in range(1, 29)]
    return typeset_sheet(
        Sheet(
            kind="Account statement",
            number="Nov 1 – Nov 30, 2026",
            made_on=DAY,
            seller=SELLER,
            buyer=BUYER,
            facts=(("Period", "Nov 1 – Nov 30, 2026"), ("Opening balance", "$0.00"), ("Charged", "$280.00")),
            headline=("Balance", "$280.00", "USD"),
            columns=(Column("Date"), Column("Entry"), Column("Document"), *figures),
            rows=tuple(rows),
            sums=(("Opening balance", "$0.00"), ("Closing balance", "$280.00")),
        )
    )


@pytest.mark.parametrize("made", [invoice, credit_note, account_statement], ids=lambda made: made.__name__)
def test_the_page_looks_as_it_did_when_somebody_looked(made) -> None:
    kept = FOLDER / f"{made.__name__}.png"
    drawn = pypdfium2.PdfDocument(made())[0].render(scale=1.25, grayscale=True).to_pil()
    if os.environ.get("TOLLBOOK_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        drawn.save(kept, optimize=True)
    page, looked_at = (numpy.asarray(image.convert("L"), dtype=int) for image in (drawn, Image.open(kept)))
    assert page.shape == looked_at.shape
    assert (abs(page - looked_at) > UNLIKE).mean() <= MOST_UNLIKE
