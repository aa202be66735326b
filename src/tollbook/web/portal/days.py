"""A filter by local days of the account, from the first to the last, both included."""

from datetime import date, datetime, timedelta

from django import forms

from tollbook.usage.statement import start_of

EARLIEST, LATEST = date(1970, 1, 2), date(9999, 12, 29)


def _input() -> forms.DateInput:
    return forms.DateInput({"type": "date"}, "%Y-%m-%d")


class DaysForm(forms.Form):
    """Two days. What makes no sense counts as empty, and a day out of all reason as the nearest reasonable one."""

    first = forms.DateField(required=False, label="From", widget=_input())
    last = forms.DateField(required=False, label="To", widget=_input())

    def first_on(self) -> date | None:
        """The first day, if there is one."""
        self.is_valid()
        return self.cleaned_data.get("first")

    def last_on(self) -> date | None:
        """The last day, if there is one."""
        self.is_valid()
        return self.cleaned_data.get("last")


def beginning(first_on: date | None, zone: str) -> datetime | None:
    """The instant from which a filter's rows are."""
    return start_of(min(max(first_on, EARLIEST), LATEST), zone) if first_on else None


def end(last_on: date | None, zone: str) -> datetime | None:
    """The instant before which a filter's rows are."""
    return start_of(min(max(last_on, EARLIEST), LATEST) + timedelta(days=1), zone) if last_on else None
