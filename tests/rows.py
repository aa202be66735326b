"""One row in every table of an account, made from what the models say, for tests that look at all tables alike."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.apps import apps
from django.db import IntegrityError, models, transaction

from tollbook.accounts.tables import Account, User
from tollbook.invoicing.issue import Draft, DraftLine
from tollbook.invoicing.tables import BillingRun, SellerProfile, TaxRule
from tollbook.subscriptions.tables import Component

BY_NAME = {"type_code": "sms", "currency": "USD", "locale": "en-us", "tax": Decimal(0), "prefix": "1", "is_backup": False}
BY_COLUMN: dict[tuple[str, str], object] = {
    ("open_balance", "written_off"): Decimal(0),
    ("draft_invoice", "content"): msgspec.to_builtins(
        Draft("one_off", "x", date(2026, 11, 3), [DraftLine("x", "", Decimal(1), Decimal(1), Decimal(1), "revenue:one_off")])
    )
}
OF_THE_ACCOUNT = {"number", "event_id"}  # what people and machines call things by: different in every account
WRITTEN_BY_OWNER = {"usage_archive", "usage_archived"}
FILLED = {"wallet_id", "wallet_seq", "balance_before", "balance_after"}  # empty only where money moves past all wallets
BY_KIND: dict[type[models.Field], object] = {
    models.DecimalField: Decimal(1),
    models.IntegerField: 1,
    models.BooleanField: True,
    models.DateTimeField: datetime(2026, 11, 3, 14, 2, tzinfo=UTC),
    models.DateField: date(2026, 11, 3),
    models.JSONField: {},
    models.BinaryField: b"x",
    models.CharField: "x",
    models.TextField: "x",
}


def tenant_models() -> list[type[models.Model]]:
    """Every model whose rows belong to one account, but not users and accounts themselves."""
    ours = apps.get_app_config("tollbook").get_models()
    return [model for model in ours if "account_id" in _columns(model) and model._meta.managed and model is not User]


def fill(account: Account, one: UUID, without: str = "") -> None:
    """A row in every tenant table but `without`. Every id of the account is `one`, so that every reference finds its row."""
    Component.objects.get_or_create(code="x", defaults={"name": "Seats", "kind": "recurring", "price": 1})
    SellerProfile.objects.get_or_create(code="x", defaults={"name": "X"})
    TaxRule.objects.create(
        id=one, tax_code=account.slug, valid_from=date(2026, 1, 1), tax_rate=19, label="VAT", created_at=datetime.now(UTC)
    )
    BillingRun.objects.create(id=one, started_by="tests", started_at=datetime.now(UTC), finished_at=datetime.now(UTC))
    User.objects.create(id=one, account=account, email=f"{one}@x.example", level="agent", created_at=datetime.now(UTC))
    left = [model for model in tenant_models() if model._meta.db_table != without]
    while left:
        failed = {model: error for model in left if (error := _made(model, account, one))}
        if len(failed) == len(left):
            raise AssertionError(f"No row can be made for {failed}")
        left = list(failed)


def _made(model: type[models.Model], account: Account, one: UUID) -> IntegrityError | None:
    given = [field for field in model._meta.concrete_fields if not field.generated]
    row = {field.attname: _value(field, account, one) for field in given}
    alias = "owner" if model._meta.db_table in WRITTEN_BY_OWNER else "default"
    try:
        with transaction.atomic(using=alias):
            model.objects.using(alias).create(**row)
    except IntegrityError as error:
        return error
    return None


def _value(field: models.Field, account: Account, one: UUID) -> object:
    if field.column == "account_id":
        return account.id
    if field.null and field.name not in FILLED:
        return None
    if isinstance(field, models.UUIDField):
        return one
    if (known := (field.model._meta.db_table, field.name)) in BY_COLUMN:
        return BY_COLUMN[known]
    if field.name in OF_THE_ACCOUNT:
        return f"X-{account.slug}"
    if field.name in BY_NAME:
        return BY_NAME[field.name]
    if field.choices:
        return field.choices[0][0]
    return next(value for kind, value in BY_KIND.items() if isinstance(field, kind))


def _columns(model: type[models.Model]) -> set[str]:
    return {field.column for field in model._meta.concrete_fields}
