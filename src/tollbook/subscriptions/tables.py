"""What is stored about subscriptions. Prices are in the account's currency, in its minor unit."""

from datetime import timedelta

from django.db import models


class FeeKind(models.TextChoices):
    """Charged every period, or once."""

    RECURRING = "recurring", "Recurring fee"
    SETUP = "setup", "Setup fee"


class Component(models.Model):
    """A thing sold by subscription; its price is what a new subscription starts with."""

    code = models.CharField(primary_key=True, max_length=40)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=FeeKind.choices)
    price = models.DecimalField(max_digits=20, decimal_places=6)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "component"
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A component that an account pays for: `quantity` × `price`, from `starts_on` until `ends_on` (inclusive).

    A setup fee is billed once, on the first invoice on or after `starts_on`. A change of quantity or price ends this row
    and starts another, so that what was billed can always be told. A row that ends the day before it starts was taken
    back before it began: it is never billed, and kept.
    """

    pk = models.CompositePrimaryKey("account_id", "id")
    account_id = models.UUIDField()
    id = models.UUIDField()
    component_code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=FeeKind.choices)
    quantity = models.DecimalField(max_digits=14, decimal_places=3, default=1)
    price = models.DecimalField(max_digits=20, decimal_places=6)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "subscription"
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gt=0, price__gte=0), name="subscription_quantity"),
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True)
                | models.Q(ends_on__gte=models.F("starts_on") - timedelta(days=1)),
                name="subscription_ends_after_it_starts",
            ),
        ]
        indexes = [models.Index(fields=["account_id", "starts_on"], name="subscription_of_account")]
