"""Parameters: form bodies with nested names, and their validation.

https://docs.stripe.com/api: requests are form-encoded, `metadata[key]=value`, `expand[]=x`, `items[0][price]=y`; an
unknown parameter is a 400 with code `parameter_unknown`, an absent one `parameter_missing`
(https://docs.stripe.com/error-codes).
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tests.gateway.errors import Invalid

Check = Callable[[str, Any], Any]
NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode(text: str) -> dict[str, Any]:
    """A form body or query string as nested tables; lists stay lists."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        matched = NAME.match(name)
        if matched is None:
            raise Invalid(f"Invalid parameter name: {name}")
        _put(tree, [matched[1], *re.findall(r"\[([^\[\]]*)\]", matched[2])], value)
    return {name: _listed(value) for name, value in tree.items()}


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        step = step or str(len(tree))
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            raise Invalid("Invalid parameters: a name is used both as a value and as a table")
    tree[path[-1] or str(len(tree))] = value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(each) for name, each in value.items()}
    indexed = inner and all(name.isdigit() for name in inner)
    return [inner[name] for name in sorted(inner, key=int)] if indexed else inner


def text(param: str, value: Any) -> str:
    """Any string but an empty one, which https://docs.stripe.com/error-codes#parameter-invalid-empty refuses."""
    if not isinstance(value, str):
        raise Invalid(f"Invalid string: {param}", param)
    if value == "":
        raise Invalid(
            f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{param}' cannot be unset.", param, "parameter_invalid_empty",
        )
    return value


def whole(param: str, value: Any) -> int:
    """https://docs.stripe.com/error-codes#parameter-invalid-integer: a whole number of the minor unit, not negative."""
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,12}", value):
        raise Invalid(f"Invalid integer: {value}", param, "parameter_invalid_integer")
    if int(value) < 0:
        raise Invalid("This value must be greater than or equal to 0.", param, "parameter_invalid_integer")
    return int(value)


def flag(param: str, value: Any) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise Invalid(f"Invalid boolean: {value}", param)
    return bool(value == "true")


def one_of(*words: str) -> Check:
    """A word of a fixed list."""
    def check(param: str, value: Any) -> str:
        if value not in words:
            raise Invalid(f"Invalid {param}: must be one of {', '.join(words[:-1])} or {words[-1]}", param)
        return str(value)
    return check


def words(param: str, value: Any) -> list[str]:
    """A list of strings."""
    if not isinstance(value, list):
        raise Invalid("Invalid array", param)
    return [text(f"{param}[{place}]", each) for place, each in enumerate(value)]


def currency(param: str, value: Any) -> str:
    """Three letters, answered in lower case (https://docs.stripe.com/currencies)."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]{3}", value):
        raise Invalid(f"Invalid currency: {value}.", param)
    return value.lower()


def metadata(param: str, value: Any) -> dict[str, str]:
    """https://docs.stripe.com/api/metadata: up to 50 keys of up to 40 characters, without square brackets, with values
    of up to 500 characters; an empty value removes the key."""
    if value == "":
        return {}
    if not isinstance(value, dict) or len(value) > 50:
        raise Invalid("Metadata must be a table of at most 50 keys.", param)
    for name, each in value.items():
        if len(name) > 40:
            raise Invalid(f"Metadata keys can have up to 40 characters, but you passed in a key that is {len(name)}.", param)
        if not isinstance(each, str) or len(each) > 500:
            raise Invalid("Metadata values can have up to 500 characters.", f"{param}[{name}]")
    return dict(value)


def span(param: str, value: Any) -> dict[str, int]:
    """An instant, or a range by gt, gte, lt, lte, in whole seconds."""
    if isinstance(value, str):
        return {"gte": whole(param, value), "lte": whole(param, value)}
    return table(gt=whole, gte=whole, lt=whole, lte=whole)(param, value)


def anything(param: str, value: Any) -> Any:
    """Taken as it comes: a part of the API that Tollbook sends and does not rely on."""
    return value


def rows(check: Check) -> Check:
    """A list of tables."""
    def each(param: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Invalid("Invalid array", param)
        return [check(f"{param}[{place}]", row) for place, row in enumerate(value)]
    return each


def table(**checks: Check) -> Check:
    """A nested table of known names."""
    def check(param: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Invalid(f"Invalid object: {param}", param)
        return validate(checks, value, param)
    return check


def validate(checks: dict[str, Check], given: dict[str, Any], within: str = "") -> dict[str, Any]:
    """`given`, checked; a name ending in `_` in `checks` is required."""
    required = {name[:-1] for name in checks if name.endswith("_")}
    known = {name.removesuffix("_"): check for name, check in checks.items()}
    full = {name: f"{within}[{name}]" if within else name for name in {*known, *given}}
    for name in given:
        if name not in known:
            raise Invalid(f"Received unknown parameter: {full[name]}", full[name], "parameter_unknown")
    for name in sorted(required):
        if name not in given:
            raise Invalid(f"Missing required param: {full[name]}.", full[name], "parameter_missing")
    return {name: known[name](full[name], value) for name, value in given.items()}
