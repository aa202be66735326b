"""Domain error → HTTP status: the one table. The most specific class wins."""

from django.forms import Form

from tollbook.accounts.remember import KeyReused
from tollbook.errors import Conflict, Forbidden, Invalid, NotFound, Refused, TryLater
from tollbook.wallets.hold import InsufficientCredit

_STATUS: dict[type[Refused], int] = {
    NotFound: 404,
    Invalid: 400,
    Forbidden: 403,
    Conflict: 409,
    InsufficientCredit: 402,
    KeyReused: 422,
    TryLater: 503,
    Refused: 400,
}


def status_of(error: Refused) -> int:
    """The HTTP status of a refusal."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def onto_form(form: Form, error: Refused) -> int:
    """Put a refusal beside the field that it names, or above the form; returns the status of the answer."""
    field = error.details.get("field")
    form.add_error(str(field) if field in form.fields else None, error.message)
    return status_of(error)
