"""Fields that say what to write, and parse it exactly or not at all."""

from decimal import Decimal
from typing import Any

from django import forms

from tollbook.money.amount import minor_unit, parse_amount

LONGEST = 40
TYPED_FIGURES = {"autocomplete": "off", "inputmode": "decimal", "maxlength": LONGEST}


class AmountField(forms.Field):
    """An amount of money (or a number as exact as one). With a currency, no finer than it can be paid."""

    def __init__(self, currency: str | None = None, **options: Any) -> None:
        self.currency = currency
        super().__init__(**{"widget": forms.TextInput(TYPED_FIGURES)} | options)

    def to_python(self, value: Any) -> Decimal | None:
        """The exact value; None when nothing was written."""
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return parse_amount(text[:LONGEST], self.currency)
        except ValueError as wrong:
            raise forms.ValidationError(f"{str(wrong)[0].upper()}{str(wrong)[1:]}.") from None

    def prepare_value(self, value: Any) -> Any:
        """A stored amount as people write it: two places, or the currency's, and more only where there are more."""
        if not isinstance(value, Decimal):
            return value
        exact = value.normalize()
        coarsest = minor_unit(self.currency) if self.currency else Decimal("0.01")
        return f"{exact.quantize(min(coarsest, Decimal(1).scaleb(int(exact.as_tuple().exponent))))}"


class ReasonField(forms.CharField):
    """Why. Required wherever it stands."""

    def __init__(self, help_text: str = "", **options: Any) -> None:
        widget = forms.Textarea({"rows": 2})
        super().__init__(**{"max_length": 300, "widget": widget, "help_text": help_text} | options)


class DayField(forms.DateField):
    """A day, by the browser's own picker."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
        messages = {"invalid": "Write a day like 2026-12-01."}
        super().__init__(**{"widget": widget, "error_messages": messages} | options)
