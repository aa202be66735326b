"""The search query language: https://docs.stripe.com/search#search-query-language.

`field:"value"`, `metadata["key"]:"value"`, numbers by `>`, `<`, `>=`, `<=`, negation by `-`; clauses joined by AND (or a
space) or by OR, not both.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

from tests.gateway.errors import Invalid

CLAUSE = re.compile(
    r"""\s*(?P<joint>(?:AND|OR)\s+)?(?P<not>-)?(?P<field>[a-z_.]+)(?:\[(?P<q>["'])(?P<label>.*?)(?P=q)\])?"""
    r"""(?P<how>:|>=|<=|>|<)(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[\w.]+))\s*""",
    re.IGNORECASE,
)
FIELDS = {
    "payment_intent": ("amount", "created", "currency", "customer", "metadata", "status"),
    "charge": ("amount", "created", "currency", "customer", "metadata", "status", "disputed", "refunded"),
    "customer": ("created", "email", "metadata", "name", "phone"),
}
"""https://docs.stripe.com/search#query-fields-for-payment-intents and the following."""
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ":": operator.eq, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}
Clause = tuple[str, str | None, str, str, bool]


class Query:
    """A parsed query."""

    def __init__(self, kind: str, text: str) -> None:
        self.clauses: list[Clause] = []
        joints: set[str] = set()
        place = 0
        while place < len(text):
            found = CLAUSE.match(text, place)
            if found is None or found["field"] not in FIELDS[kind]:
                raise _wrong(text)
            joints.add((found["joint"] or "AND").strip().upper() if self.clauses else "")
            self.clauses.append(_clause(found))
            place = found.end()
        if not self.clauses or {"AND", "OR"} <= joints:
            raise _wrong(text)
        self._all = any if "OR" in joints else all

    def label(self) -> tuple[str, str] | None:
        """A metadata pair that every match has, if the query names one."""
        if self._all is any:
            return None
        return next(
            ((label, value) for field, label, how, value, negated in self.clauses
             if field == "metadata" and label and how == ":" and not negated), None,
        )

    def fits(self, thing: dict[str, Any]) -> bool:
        """Whether the object is found."""
        return self._all(_holds(clause, thing) for clause in self.clauses)


def _clause(found: re.Match[str]) -> Clause:
    quoted = found["double"] if found["double"] is not None else found["single"]
    value = found["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return found["field"], found["label"], found["how"], value, bool(found["not"])


def _holds(clause: Clause, thing: dict[str, Any]) -> bool:
    field, label, how, wanted, negated = clause
    value = thing[field].get(label) if field == "metadata" else thing.get(field)
    if wanted == "null":
        return (value is None) != negated
    if value is None:
        return negated
    if isinstance(value, bool):
        value = "true" if value else "false"
    pair = (value, float(wanted)) if isinstance(value, int) else (str(value).lower(), wanted.lower())
    return COMPARE[how](*pair) != negated


def _wrong(text: str) -> Invalid:
    return Invalid(
        "We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"` to query for "
        f"metadata or key: \"value\" to query for other fields. The query was: {text}", "query",
    )
