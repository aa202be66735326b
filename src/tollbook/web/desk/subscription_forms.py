"""Forms of what an account subscribes to; subscriptions.py has their pages."""

from datetime import date
from typing import Any

from django import forms

from tollbook.accounts import account as accounts
from tollbook.accounts.tables import Account
from tollbook.subscriptions import subscribe
from tollbook.subscriptions.plan import Plan
from tollbook.subscriptions.tables import Component
from tollbook.web.desk.fields import AmountField, DayField
from tollbook.web.desk.steps import Once

BY_THE_DAY = "Put the running period right by the day."
AT_ONCE = "Bill it at once, not with the next invoice."


class SubscriptionForm(Once):
    """What an account subscribes to."""

    component = forms.ModelChoiceField(
        Component.objects.filter(is_active=True), to_field_name="code", empty_label="Choose one"
    )
    quantity = forms.DecimalField(max_digits=14, decimal_places=3, min_value=0, initial=1)
    starts_on = DayField(label="First day")
    ends_on = DayField(label="Last day", required=False, help_text="Empty while it goes on.")
    anchor_on = DayField(
        label="Periods count from", required=False, help_text="Empty for the account's billing day; any other day otherwise."
    )
    free_periods = forms.IntegerField(
        label="Free periods", min_value=0, max_value=subscribe.MOST_FREE_PERIODS, initial=0, required=False
    )
    follows = forms.BooleanField(
        label="Follow the component's price", required=False, initial=False, help_text="Else it keeps today's."
    )
    prorated = forms.BooleanField(
        label="Charge by the day", required=False, initial=True,
        help_text="What is left of a period when it starts or changes. Else each period whole, by what is in force on its "
                  "first day.",
    )  # fmt: skip
    at_once = forms.BooleanField(label="Bill its first days at once", required=False, initial=False)
    name = forms.CharField(max_length=120, required=False, help_text="As invoices print it, if not the component's.")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"] = AmountField(
            label=f"Price of one ({account.currency})", required=False, help_text="Empty for the component's own price."
        )
        self.initial.setdefault("starts_on", accounts.today_in(account))
        self.order_fields(["component", "quantity", "price", "starts_on", "ends_on", "name"])


class ChangeForm(Once):
    """A change from a day on."""

    from_on = DayField(label="From")
    prorated = forms.BooleanField(label=BY_THE_DAY, required=False)
    at_once = forms.BooleanField(label=AT_ONCE, required=False)

    def __init__(self, plan: Plan, first: date, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial |= {"from_on": self.initial.get("from_on", first), "prorated": plan.prorated, "at_once": False}
        if not plan.prorated:
            del self.fields["prorated"], self.fields["at_once"]
            self.fields["from_on"].help_text = "The running period stays as it was billed; nothing is prorated."

    def values(self, values: dict[str, Any]) -> dict[str, Any]:
        """The facts of the change, beside its kind."""
        named = ("from_on", "until_on", "quantity", "percent", "amount", "prorated", "at_once")
        return {name: values[name] for name in named if name in values}


class QuantityForm(ChangeForm):
    """How many, from which day on."""

    quantity = forms.DecimalField(max_digits=14, decimal_places=3, min_value=0)
    field_order = ["quantity", "from_on"]


class PriceForm(ChangeForm):
    """For how much, from which day on."""

    price = AmountField(label="Price of one")
    field_order = ["price", "from_on"]


class DiscountForm(ChangeForm):
    """A percentage or an amount off each period, for some time."""

    percent = forms.DecimalField(
        label="Per cent off", max_digits=7, decimal_places=4, min_value=0, max_value=100, required=False
    )
    amount = AmountField(label="Or an amount off each period", required=False, help_text="Both empty: no discount.")
    until_on = DayField(label="Until", required=False, help_text="Its last day; empty for good.")
    field_order = ["percent", "amount", "from_on", "until_on"]


class PauseForm(ChangeForm):
    """Days on which nothing is charged."""

    until_on = DayField(label="Until", required=False, help_text="Its last day; empty until it is resumed.")
    field_order = ["from_on", "until_on"]


class EndForm(Once):
    """The last day."""

    ends_on = DayField(label="Last day")
    prorated = forms.BooleanField(
        label="Give back what is billed beyond it", required=False, help_text="By the day, with the next invoice."
    )

    def __init__(self, plan: Plan, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not plan.prorated:
            del self.fields["prorated"]
            self.fields["ends_on"].help_text = "A period that is billed already is not refunded."


class CommitmentForm(Once):
    """The least that an account pays each period."""

    starts_on = DayField(label="From")
    ends_on = DayField(label="Until", required=False, help_text="Its last day; empty for good.")

    def __init__(self, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"] = AmountField(account.currency, label=f"At least, each period ({account.currency})")
        self.initial.setdefault("starts_on", accounts.today_in(account))
        self.order_fields(["amount", "starts_on", "ends_on"])
