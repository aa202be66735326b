"""A whole deck of rates from a carrier's sheet: uploaded, reviewed with what it changes, confirmed."""

import zlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import UTC
from hashlib import sha256
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from tollbook.accounts.audit import OPERATOR_ID
from tollbook.errors import Invalid
from tollbook.rating import import_deck as decks
from tollbook.rating.import_deck import Change, Changes, Wanted, import_deck, preview
from tollbook.rating.sheet import Reading, Sheet, read, shown
from tollbook.rating.tables import CreditType
from tollbook.web import formats
from tollbook.web.desk.page import DeskRequest, staff_page
from tollbook.web.desk.rates import AccountChoice, type_choice
from tollbook.web.desk.steps import Review, stepped, typed
from tollbook.web.desk.steps import Sheet as Page

LARGEST_FILE = 20 * 2**20
SHOWN_LINES = 20
UNITS = [
    ("", "Cents, unless the column says otherwise"),
    ("cents", "Cents"),
    ("currency", "Whole currency, such as dollars"),
]
KINDS = {
    decks.NEW: "new",
    decks.DEARER: "dearer",
    decks.CHEAPER: "cheaper",
    decks.OTHER_TERMS: "with other fees or steps",
    decks.ENDED: "ended",
    decks.UNCHANGED: "unchanged",
    decks.KEPT: "kept, as they are not in the sheet",
}


class DeckForm(forms.Form):
    """A rate sheet, and where its rates go. The file is carried through the review as packed text."""

    account = AccountChoice(max_length=63, required=False, help_text="Short name. Empty for everybody's default.")
    type = type_choice()
    file = forms.FileField(
        label="Rate sheet (CSV)",
        required=False,
        help_text="The first line names the columns; prefix and rate are needed.",
        widget=forms.FileInput({"accept": ".csv,.txt,text/csv"}),
    )
    packed = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)
    name = forms.CharField(widget=forms.HiddenInput, required=False, max_length=150)
    rates_in = forms.ChoiceField(label="Rates are in", choices=UNITS, required=False)
    initial_seconds = forms.IntegerField(
        label="First step (seconds)", min_value=1, max_value=86_400, initial=1, help_text="For lines that have none."
    )
    increment_seconds = forms.IntegerField(label="Further steps (seconds)", min_value=1, max_value=86_400, initial=1)
    valid_from = forms.DateTimeField(
        label="From (UTC)",
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Events that happen from then on; those before keep the rate before.",
    )
    replace = forms.BooleanField(label="End the prefixes that are not in the sheet", required=False)
    skip_bad_lines = forms.BooleanField(label="Leave out the lines that can't be read", required=False)

    def clean(self) -> dict[str, Any]:
        """The sheet's bytes, from the file that was just chosen or from the review."""
        values, file = self.cleaned_data, self.cleaned_data.get("file")
        if file and file.size > LARGEST_FILE:
            self.add_error(
                "file", f"A sheet has at most {LARGEST_FILE // 2**20} MB here; import it by the command line."
            )
        elif file:
            values["data"], values["name"] = file.read(), file.name[:150]
        elif values.get("packed"):
            values["data"] = _unpacked(values["packed"])
        else:
            self.add_error("file", "Choose a file.")
        return values


@staff_page("GET POST")
def import_sheet(request: DeskRequest) -> HttpResponse:
    """Give all rates of a sheet from an instant on; the ones before them end there."""

    def review(values: dict[str, Any]) -> Review:
        sheet, wanted = _sheet(values), _wanted(values)
        changes = preview(sheet.lines, wanted)
        if changes.counts.get(decks.IN_THE_WAY):
            raise Invalid(decks.in_the_way(changes), field="valid_from")
        whose = f"for {values['account'].name}" if values["account"] else "for everybody without rates of their own"
        passed = wanted.valid_from <= timezone.now()
        return Review(
            f"{values['type'].name}: {len(sheet.lines):,} rates, {whose}",
            _sentences(sheet, changes, wanted),
            [row for kind in decks.CHANGING for row in _rows(kind, changes)],
            confirm="Give the rates",
            effect="That time has passed: events that are recorded already keep their price." if passed else "",
            carried={"packed": b64encode(zlib.compress(values["data"])).decode(), "name": values["name"]},
        )

    def act(values: dict[str, Any]) -> HttpResponse:
        data, wanted = values["data"], _wanted(values)
        source = f"{values['name']} (SHA-256 {sha256(data).hexdigest()})"
        changes = import_deck(_sheet(values).lines, wanted, request.actor, source)
        messages.success(request, f"{changes.changed:,} rates of {values['type'].name} change {_start(wanted)}")
        query = {"type": wanted.type_code, "all": "on"}
        query |= {"account": values["account"].slug} if values["account"] else {}
        return redirect(f"{reverse('desk:rates')}?{urlencode(query)}")

    page = Page("Import a rate sheet", "rates", [(reverse("desk:rates"), "Rates")])
    initial = {"valid_from": timezone.now().replace(second=0, microsecond=0)}
    return stepped(request, DeckForm(typed(request), request.FILES or None, initial=initial), page, review, act)


def _sheet(values: dict[str, Any]) -> Sheet:
    """The sheet as it is to be read. Raises Invalid, and names its bad lines, unless they are to be left out."""
    steps = (values["initial_seconds"], values["increment_seconds"])
    in_currency = {"cents": False, "currency": True}.get(values["rates_in"])
    try:
        sheet = read(values["data"], Reading(in_currency, steps, values["type"].unit == CreditType.Unit.SECONDS))
    except Invalid as error:
        field = "rates_in" if error.details.get("field") == "in_currency" else "file"
        raise Invalid(error.message, field=field) from None
    if sheet.bad and not values["skip_bad_lines"]:
        raise Invalid(_bad_lines(sheet), field="file")
    if not sheet.lines:
        raise Invalid("There is no rate in this sheet.", field="file")
    return sheet


def _bad_lines(sheet: Sheet) -> str:
    more = len(sheet.bad) - SHOWN_LINES
    told = [f"Line {bad.number}: {bad.message}." for bad in sheet.bad[:SHOWN_LINES]]
    return " ".join([*told, *([f"And {more:,} more bad lines."] if more > 0 else [])])


def _wanted(values: dict[str, Any]) -> Wanted:
    owner: UUID = values["account"].id if values["account"] else OPERATOR_ID
    return Wanted(values["type"].code, values["valid_from"].astimezone(UTC), owner, values["replace"])


def _sentences(sheet: Sheet, changes: Changes, wanted: Wanted) -> list[str]:
    counts = [f"{changes.counts[kind]:,} {said}" for kind, said in KINDS.items() if changes.counts.get(kind)]
    used = ", ".join(f"{meaning.replace('_', ' ')} from “{name}”" for meaning, name in sheet.columns.items())
    says = [f"F{_start(wanted)[1:]}", f"Prefixes: {', '.join(counts)}.", f"Read: {used}."]
    if sheet.ignored:
        says.append(f"Not read: {', '.join(sheet.ignored)}.")
    if sheet.bad:
        says.append(f"{len(sheet.bad):,} lines are left out. {_bad_lines(sheet)}")
    return says


def _start(wanted: Wanted) -> str:
    return f"from {formats.day(wanted.valid_from)} {wanted.valid_from:%H:%M} UTC."


def _rows(kind: str, changes: Changes) -> list[tuple[str, str, str]]:
    """The first changes of one kind, and how many more there are."""
    listed = changes.first.get(kind, [])
    rows = [(f"{shown(one.prefix)}, {KINDS[kind]}", _cents(one.before), _after(one)) for one in listed]
    more = changes.counts.get(kind, 0) - len(listed)
    return [*rows, *([(f"{more:,} more, {KINDS[kind]}", "", "")] if more > 0 else [])]


def _after(change: Change) -> str:
    percent = f" ({change.percent:+,.1f} %)" if change.percent else ""
    return f"{_cents(change.after)}{percent}"


def _cents(value: Any) -> str:
    return "none" if value is None else f"{formats.cents(value)} ¢"


def _unpacked(text: str) -> bytes:
    """The sheet as the review carried it. Raises ValidationError for what no review carries."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(b64decode(text, validate=True), LARGEST_FILE)
    except (NotBase64, zlib.error, ValueError):
        raise forms.ValidationError("This form was not complete. Open it again.") from None
    if not unpacker.eof:
        raise forms.ValidationError("This form was not complete. Open it again.")
    return data


urls = [path("rates/import/", import_sheet, name="deck-import")]
