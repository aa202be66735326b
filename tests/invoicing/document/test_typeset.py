"""The PDF: the same bytes every time, everything on it, nothing run, nothing lost, whatever the texts are."""

import base64
import hashlib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pypdf
import pytest

from tests.invoicing.document.papers import BUYER, LOGO, SELLER, line, pages, paper, words
from tollbook.invoicing.document import figures
from tollbook.invoicing.document.paper import CREDIT_NOTE, Corrected, Party
from tollbook.invoicing.document.typeset import typeset

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DIGEST = (
    "import hashlib; from tests.invoicing.document.papers import *; from tollbook.invoicing.document.typeset import typeset;"
    "print(hashlib.sha256(typeset(paper(logo_svg=LOGO))).hexdigest())"
)


def test_the_bytes_are_the_same_in_every_process_and_time_zone():
    here = hashlib.sha256(typeset(paper(logo_svg=LOGO))).hexdigest()
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        made = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={"TZ": zone, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert made.stdout.strip() == here


def test_the_bytes_are_the_same_from_threads_at_once():
    papers = [paper(number=f"INV-{index:06}") for index in range(12)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(typeset, papers)) == [typeset(each) for each in papers]


def test_everything_an_invoice_says_is_printed():
    text = words(
        typeset(
            paper(
                line(1, quantity=Decimal(25), unit="seats", unit_price=Decimal(49), detail="Nov 1 – Nov 30"),
                line(
                    2,
                    "Outbound minutes",
                    "240.70",
                    quantity=Decimal("18234.5"),
                    unit="min",
                    unit_price=Decimal("0.0132"),
                ),
                line(3, "Credit for the outage", "-50.00", detail="Ticket 48213"),
                tax="145.11",
                tax_label="Sales tax, WA 10.25 %",
                po_number="PO-2026-0417",
                payment_instructions="Routing 125000024\nAccount 4410092277",
                notes="Thank you",
                zone="America/Los_Angeles",
            )
        )
    )
    for said in (
        "Invoice INV-000132", "Issued Nov 3, 2026", "Due Dec 1, 2026", "PO number PO-2026-0417",
        "Tollbook Voice, Inc.", "548 Market Street", "Tax ID 94-3217745", "billing@tollbook.example",
        "Northwind Traders LLC", "Seattle, WA 98101", "United States", "Tax ID 91-1144442",
        "Amount due · USD $1,560.81", "Due on Dec 1, 2026",
        "Agent seats Nov 1 – Nov 30 25 seats $49.00 $1,225.00", "Outbound minutes 18,234.5 min $0.0132 $240.70",
        "Credit for the outage Ticket 48213 −$50.00",
        "Subtotal $1,415.70", "Sales tax, WA 10.25 % $145.11", "Total $1,560.81",
        "How to pay Routing 125000024 Account 4410092277", "Notes Thank you", "Dates in America/Los_Angeles", "Page 1 of 1",
    ):  # fmt: skip
        assert said in text


def test_a_paid_invoice_shows_what_was_paid_and_that_nothing_is_due():
    text = words(typeset(paper(amount_due=Decimal(0), payment_state="Paid on Nov 3, 2026 by Visa ending 4242")))
    assert "Total · USD $1,225.00" in text
    assert "Paid on Nov 3, 2026 by Visa ending 4242" in text
    assert "Paid −$1,225.00 Amount due $0.00" in text


def test_a_credit_note_says_so():
    corrects = Corrected("INV-000132", date(2026, 11, 3))
    text = words(typeset(paper(line(1, amount="15.00"), kind=CREDIT_NOTE, number="CN-000007", corrects=corrects)))
    assert "Credit note CN-000007" in text
    assert "Corrects INV-000132, Nov 3, 2026" in text
    assert "Total credited · USD $15.00" in text
    assert "Amount due" not in text


@pytest.mark.parametrize(
    "typed",
    [
        '#read("/etc/passwd")', "*bold* _italic_ $x^2$", "`raw` <label> @reference", "// comment /* too */", "#{ panic() }",
        '#image("invoice.typ")', "\\u{41} \\", "= Heading", "- item", '"quoted" \'single\'', "a -- b --- c ... ~",
        '#import "@preview/x:0.1.0"', "{{ name }} {% if %} <b>&amp;</b>", '", "amount": "0',
    ],
)  # fmt: skip
def test_what_people_type_is_printed_and_never_run(typed):
    text = words(
        typeset(
            paper(
                line(1, typed, detail=typed, unit="u", quantity=Decimal(1)),
                buyer=replace(BUYER, name=typed, address_lines=(typed,)),
                notes=typed,
            )
        )
    )
    assert text.count(" ".join(typed.split())) == 5


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_logo_cannot_take_pictures_from_the_disk(tmp_path, scheme):
    secret = tmp_path / "secret.png"
    secret.write_bytes(base64.b64decode(PIXEL))
    assert typeset(paper(logo_svg=_pointing_to(f"{scheme}{secret}"))) == typeset(paper())


@pytest.mark.parametrize("href", ["/etc/passwd", "invoice.typ", "../paper.py", "http://127.0.0.1:9/logo.png"])
def test_a_logo_that_points_elsewhere_gives_way_to_the_seller_s_name(href):
    assert typeset(paper(logo_svg=_pointing_to(href))) == typeset(paper())


def test_a_logo_may_hold_a_picture():
    assert typeset(paper(logo_svg=_pointing_to(f"data:image/png;base64,{PIXEL}"))) != typeset(paper())


@pytest.mark.parametrize("logo", ["", "not a picture", "<svg", "\x00\ud800"])
def test_a_logo_that_cannot_be_drawn_gives_way_to_the_seller_s_name(logo):
    assert words(typeset(paper(logo_svg=logo))).startswith("Tollbook Voice Invoice")


def test_a_logo_may_hold_text():
    logo = LOGO.replace("/></svg>", '/><text x="4" y="20">Tollbook ሀ 日本 😀</text></svg>')
    assert typeset(paper(logo_svg=logo)) != typeset(paper(logo_svg=None))


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 12, 30, 31, 40])
def test_the_sums_never_stand_on_a_page_without_a_line(count):
    lines = [line(n, f"Seats of team {n}", detail="Nov 1 – Nov 30") for n in range(1, count + 1)]
    made = pages(typeset(paper(*lines, tax="1")))
    last = next(page for page in made if "Subtotal" in page)
    assert f"Seats of team {count}\n" in last
    assert "\nTotal" in last


def test_four_hundred_lines_fill_pages_that_repeat_the_header_and_are_numbered():
    lines = [line(n, f"Campaign {n:03}", str(Decimal(n * 7) / 100 - 3)) for n in range(1, 401)]
    made = pages(typeset(paper(*lines, tax="1.23")))
    assert len(made) > 5
    for number, page in enumerate(made, 1):
        assert f"Page {number} of {len(made)}" in page
        assert "Description Amount" in page
    text = " ".join(" ".join(made).split())
    for each in lines:
        assert f"{each.description} {figures.money(each.amount, 'USD', 'en-US')}" in text


def test_printed_lines_sum_to_the_printed_total():
    lines = [line(n, f"Campaign {n:03}", f"{n}.{n % 100:02}") for n in range(1, 121)]
    text = words(typeset(paper(*lines, tax="17.17", tax_label="Tax")))
    printed = {n: text.split(f"Campaign {n:03} $")[1].split(" ")[0] for n in range(1, 121)}
    total = text.rsplit("Total $")[-1].split(" ")[0]
    assert sum(Decimal(amount.replace(",", "")) for amount in printed.values()) + Decimal("17.17") == Decimal(
        total.replace(",", "")
    )


@pytest.mark.parametrize(
    "name",
    [
        "شركة الشمال للتجارة", "חברת הצפון", "株式会社ノースウィンド", "주식회사 북풍", "北风贸易有限公司",
        "บริษัท ลมเหนือ", "उत्तरी पवन",
        "Łódź Ørsted Đặng İstanbul Ελλάς Київ",
    ],
)  # fmt: skip
def test_names_of_the_world_are_drawn_with_letters_and_not_with_boxes(name):
    document = typeset(paper(buyer=replace(BUYER, name=name)))
    assert "TollbookBox" not in _fonts(document)


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧 😀 ❤️ 🇩🇪", "z̸͇͝a̵̢lgo", "\x00\x01\x07\x1b[31m", "\ud800 \udfff", "\ufffe\uffff\ufeff\ufdd0", "\ue000\U000f0000",
        "\u202eevil\u202c\u2066x\u2069", "\u2028\u2029\u0085\r\n\r", "\u200d\ufe0f\u200b", "ሀለሐ ᚠᚢᚦ 𓀀𓀁 𝕳𝖊𝖑𝖑𝖔", "\t\v\f", " ",
        "",
    ],
)  # fmt: skip
def test_no_text_keeps_an_invoice_from_being_made(text):
    made = words(
        typeset(
            paper(
                line(1, text, detail=text, unit=text),
                seller=Party(text),
                buyer=Party(text, email=text),
                number=f"INV-7{text}",
                notes=text,
                payment_state=text,
                tax_label=text,
            )
        )
    )
    assert "$1,225.00" in made


def test_a_direction_override_cannot_turn_figures_around():
    assert "\u202e" not in words(typeset(paper(line(1, "\u202eseats\u202c"))))


def test_endless_words_stay_on_the_paper_and_copy_as_typed():
    word = "W" * 900
    buyer = replace(BUYER, name=word, email="a" * 80 + "@northwind.example")
    document = typeset(paper(line(1, word, detail=word), buyer=buyer, po_number=word))
    rows = "\n".join(pages(document)).splitlines()
    assert max(len(row) for row in rows if "WW" in row) < 60
    assert "W" * 900 in "".join(rows)
    assert "a" * 80 + "@northwind.example" in "".join(rows)


def test_a_text_longer_than_a_page_flows_to_the_next():
    made = pages(typeset(paper(line(1, "word " * 4000), line(2, "after it"))))
    assert len(made) > 2
    assert sum(page.split().count("word") for page in made) == 4000
    assert "after it" in made[-1]


def test_an_invoice_without_lines_is_still_a_document():
    none = Decimal(0)
    assert "Total $0.00" in words(typeset(paper(lines=(), subtotal=none, total=none, amount_due=none)))


@pytest.mark.parametrize(
    ("seller", "buyer", "size"),
    [
        ("US", "US", (612, 792)),
        ("US", "DE", (612, 792)),
        ("DE", "US", (612, 792)),
        ("DE", "FR", (595, 842)),
        ("", "", (595, 842)),
    ],
)
def test_americans_get_letter_and_everybody_else_a4(seller, buyer, size):
    document = typeset(paper(seller=replace(SELLER, country=seller), buyer=replace(BUYER, country=buyer)))
    box = pypdf.PdfReader(io.BytesIO(document)).pages[0].mediabox
    assert (round(box.width), round(box.height)) == size


def test_the_document_declares_pdf_a_3_and_pdf_ua_and_describes_itself():
    reader = pypdf.PdfReader(io.BytesIO(typeset(paper())))
    declared = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>" in declared
    assert "<pdfuaid:part>1</pdfuaid:part>" in declared
    assert reader.metadata.title == "Invoice INV-000132"
    assert reader.metadata.author == "Tollbook Voice, Inc."
    assert reader.metadata.creation_date.isoformat() == "2026-11-03T00:00:00+00:00"
    assert reader.trailer["/Root"]["/Lang"] == "en-US"
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]


def test_only_typefaces_of_ours_are_used_and_all_are_embedded():
    fonts = _fonts(typeset(paper(logo_svg=LOGO, notes="日本 😀")))
    assert {name.split("+")[1].split("-")[0] for name in fonts.split()} == {"Inter", "DroidSansFallback", "TollbookBox"}


def _pointing_to(href: str) -> str:
    """A logo whose only shape is the picture at `href`."""
    picture = f'<image href="{href}" width="80" height="40"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 40">{picture}</svg>'


def _fonts(document: bytes) -> str:
    """Names of the embedded fonts, in one text."""
    reader = pypdf.PdfReader(io.BytesIO(document))
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    found = {str(font["/BaseFont"])[1:] for font in fonts}
    return " ".join(sorted(found))
