"""What Invoice History was asked for, read from the address; nonsense there is ignored or explained, never an error.

`status` (several), `from`, `to` (days of issue, both included), `number` (a part of it), `sort`, `page`, `rows`.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict

from tollbook.invoicing.history import Filter, Sort
from tollbook.invoicing.status import Status

SIZES = (25, 50, 100)
FILTERS = ("status", "from", "to", "number")
DAY_FORMATS = ("%Y-%m-%d", "%b %d, %Y", "%B %d, %Y")
PICKER = "date"
NOT_A_DAY = "Write a day like 2026-11-03."


class Day(forms.DateField):
    """A day, typed or picked."""

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=DAY_FORMATS,
            widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": PICKER}),
            error_messages={"invalid": NOT_A_DAY},
        )


class Known(forms.MultipleChoiceField):
    """Several of the choices; what is none of them is left out instead of refused."""

    widget = forms.CheckboxSelectMultiple

    def to_python(self, value: Any) -> list[str]:
        """The known ones."""
        return [one for one in super().to_python(value) if self.valid_value(one)]


class FilterForm(forms.Form):
    """The row of filters above the table. A field that is wrong filters nothing and says so."""

    status = Known(label="Status", required=False, choices=[(one.value, one.label) for one in reversed(Status)])
    issued_from = Day("From")
    issued_until = Day("To")
    number = forms.CharField(
        label="Invoice Number", required=False, max_length=40, widget=forms.TextInput(attrs={"type": "search"})
    )

    IN_THE_ADDRESS = {"issued_from": "from", "issued_until": "to"}

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.full_clean()
        for name in self.IN_THE_ADDRESS:
            if name in self.errors:  # a picker can't show what is not a day; as text it can be mended
                self.fields[name].widget.input_type = "text"

    def add_prefix(self, field_name: str) -> str:
        """The field's name in the address."""
        return self.IN_THE_ADDRESS.get(field_name, field_name)

    def clean(self) -> dict[str, Any]:
        """Two days in the wrong order would show nothing, which looks like "no invoices"."""
        first, last = self.cleaned_data.get("issued_from"), self.cleaned_data.get("issued_until")
        if first and last and last < first:
            self.add_error("issued_until", "This day is before the first one.")
        return self.cleaned_data

    def filter(self) -> Filter:
        """The filter, without what is wrong."""
        return Filter(
            statuses=frozenset(map(Status, self.cleaned_data["status"])),
            issued_from=self.cleaned_data.get("issued_from"),
            issued_until=self.cleaned_data.get("issued_until"),
            number=self.cleaned_data.get("number", "").strip(),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The address, understood. `kept` is what of it outlives a change of the filters."""

    form: FilterForm
    filter: Filter
    sort: Sort
    page: int
    size: int
    kept: dict[str, str]

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the list."""
        return self.filter != Filter()


def asked(query: QueryDict) -> Asked:
    """What this query string asks for."""
    form = FilterForm(query)
    size = next((size for size in SIZES if query.get("rows") == str(size)), SIZES[0])
    sort = Sort.parse(query.get("sort", ""))
    kept = {name: value for name, value in (("sort", str(sort)), ("rows", str(size))) if query.get(name) == value}
    return Asked(form, form.filter(), sort, _page(query.get("page", "")), size, kept)


def tidied(query: QueryDict) -> str | None:
    """The query string without the fields that a form left empty; None when there are none."""
    left = [(name, value) for name, values in query.lists() for value in values if value]
    return None if len(left) == sum(len(values) for _, values in query.lists()) else urlencode(left)


def _page(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 100 else 1
