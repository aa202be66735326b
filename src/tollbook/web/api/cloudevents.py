"""CloudEvents 1.0 as usage events: pure functions from a request's headers and body to what our own shape gives.

All three content modes of the HTTP protocol binding, in the JSON format: structured (application/cloudevents+json), batched
(application/cloudevents-batch+json), binary (ce-* headers, the data alone in the body).

    id and source   the event's id, both together: `<source> <id>`
    subject         the account; may be missing when the key belongs to one
    type            the credit type, plain (`outbound`) or as `tollbook.usage.outbound`
    time            occurred_at, required: without it nobody knows the rate
    data            {"quantity", "to"?, "from"?, "attributes"?}

Extension attributes (traceparent, partitionkey, ...) are about the way an event came and are ignored; what is to be kept
goes into data.attributes. An unknown member of the data is refused, as in our own shape.
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

import msgspec

from tollbook.web.api.bodies import EventBody, Malformed
from tollbook.web.api.bodies import parse as parse_json
from tollbook.web.api.elements import TooMany, crowded, elements

STRUCTURED, BATCHED = "application/cloudevents+json", "application/cloudevents-batch+json"
ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject")
OURS = "tollbook.usage."
LONGEST_ID, MOST_EVENTS = 200, 10_000
_ANY = "application/cloudevents"
_REQUIRED_HEADERS = frozenset({"ce-specversion", "ce-id", "ce-source", "ce-type"})
_URI_REFERENCE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_JSON_TYPE = re.compile(r"(application|text)/([-\w.]+\+)?json", re.ASCII)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


class UsageData(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The data of a CloudEvent. `quantity` counts what its type counts; number or decimal string."""

    quantity: Decimal
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    attributes: dict[str, Any] | None = None


class _Envelope(msgspec.Struct, frozen=True):
    specversion: str
    id: str
    source: str
    type: str
    time: datetime
    subject: str | None = None
    datacontenttype: str | None = None
    data_base64: str | None = None
    data: msgspec.Raw = msgspec.Raw()


class CloudEvent(msgspec.Struct, frozen=True):
    """A CloudEvent in JSON, as it is described; further attributes are ignored. `id` and `source` together are the event's
    id, `subject` is the account, `type` the credit type, `time` when it happened. `data_base64` may stand for `data`."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: datetime
    data: UsageData
    subject: str | None = None


def is_cloudevent(content_type: str, headers: Mapping[str, str]) -> bool:
    """Whether a request holds CloudEvents: by its type, or by a required attribute among its headers (lower case)."""
    return content_type.lstrip()[: len(_ANY)].lower() == _ANY or not _REQUIRED_HEADERS.isdisjoint(headers.keys())


def parse(
    content_type: str, headers: Mapping[str, str], body: bytes, most: int = MOST_EVENTS
) -> list[EventBody | Malformed]:
    """What a request holds, in its order: events, or why one is none, with its id where that can be told.

    Names of headers are in lower case, their values as ASGI gives them (Latin-1). Raises Malformed for a body that is not
    even a list, holds more than `most` events, is not UTF-8 or is in a format that is not JSON.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    charset = re.search(r'charset\s*=\s*"?([^\s";]+)', parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Malformed(f"Send UTF-8, not {charset[1][:40]}.")
    if kind == BATCHED:
        return [_structured(piece) for piece in _listed(body, most)]
    if kind == STRUCTURED:
        return [_structured(body)]
    if kind.startswith(_ANY):
        raise Malformed(f"Send {STRUCTURED} or {BATCHED}.")
    return [_binary(kind, headers, body)]


def identity(source: str, id: str) -> str:
    """One id of at most 200 printable characters for a source and an id; two different pairs never have the same.

    `<source> <id>`: a URI-reference holds no space, so the first one tells them apart. Where that is too long, not
    printable, or the source is no URI-reference: the SHA-256 of both in braces, which no URI-reference begins with.
    """
    together = f"{source} {id}"
    if len(together) <= LONGEST_ID and id.isprintable() and _URI_REFERENCE.fullmatch(source):
        return together
    digest = sha256(msgspec.json.encode([source, id])).hexdigest()
    return f"{{sha256:{digest}}}"


def _listed(body: bytes, most: int) -> Sequence[bytes | msgspec.Raw]:
    try:
        pieces = _apart(body, most)
        if len(pieces) <= most:
            return pieces
    except TooMany:
        pass
    raise Malformed(f"Send at most {most} events at a time.", "events")


def _apart(body: bytes, most: int) -> Sequence[bytes | msgspec.Raw]:
    """The events' own bytes; told apart without understanding them where one of them is no JSON. Raises TooMany."""
    reason = "It has too many parts."
    if not crowded(body, most):
        try:
            return parse_json(list[msgspec.Raw], body)
        except Malformed as error:
            reason = error.message
    found = elements(body, most)
    if found is None:
        raise Malformed(f"Send a JSON array of CloudEvents. {reason}")
    return found


class _Named(msgspec.Struct):
    """What a malformed event may still tell of itself."""

    id: str = ""
    source: str = ""


def _structured(piece: bytes | msgspec.Raw) -> EventBody | Malformed:
    try:
        told = parse_json(_Envelope, piece)
        return _event(told, _data_of(told))
    except Malformed as error:
        return Malformed(error.message, error.field, _id_of(piece))


def _id_of(piece: bytes | msgspec.Raw) -> str:
    try:
        named = parse_json(_Named, piece)
    except Malformed:
        return ""
    return _known_identity(named.source, named.id)


def _known_identity(source: str, id: str) -> str:
    return identity(source, id) if source and id else id[:LONGEST_ID]


def _data_of(told: _Envelope) -> bytes | msgspec.Raw:
    if told.data_base64 is None:
        return told.data
    if bytes(told.data) not in (b"", b"null"):
        raise Malformed("data: An event has data or data_base64, not both.", "data")
    try:
        return b64decode(told.data_base64, validate=True)
    except (NotBase64, ValueError):
        raise Malformed("data_base64: This is not base64.", "data_base64") from None


def _binary(kind: str, headers: Mapping[str, str], body: bytes) -> EventBody | Malformed:
    found: dict[str, str] = {}
    try:
        for name in ATTRIBUTES:
            if f"ce-{name}" in headers:
                found[name] = _decoded(name, headers[f"ce-{name}"])
        told = parse_json(_Envelope, msgspec.json.encode(found))
        return _event(msgspec.structs.replace(told, datacontenttype=kind or None), body)
    except Malformed as error:
        id = _known_identity(found.get("source", ""), found.get("id", ""))
        return Malformed(error.message, error.field, id)


def _decoded(name: str, value: str) -> str:
    """The text of a header: quotes of old senders removed, then percent-decoded once, as UTF-8."""
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = _QUOTED_PAIR.sub(r"\1", text[1:-1])
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeError:
        raise Malformed(f"ce-{name}: This is not UTF-8.", name) from None


def _event(told: _Envelope, data: bytes | msgspec.Raw) -> EventBody:
    if told.specversion != "1.0":
        raise Malformed(f"specversion: Only 1.0 is taken, not “{told.specversion[:20]}”.", "specversion")
    for name in ("id", "source"):
        if not getattr(told, name):
            raise Malformed(f"{name}: This is required and must not be empty.", name)
    if told.datacontenttype and not _JSON_TYPE.fullmatch(told.datacontenttype.partition(";")[0].strip().lower()):
        raise Malformed(f"datacontenttype: Send JSON, not “{told.datacontenttype[:60]}”.", "datacontenttype")
    if not bytes(data).strip():
        raise Malformed('data: This is required: {"quantity": ...}.', "data")
    used = _data(data)
    return EventBody(
        id=identity(told.source, told.id),
        type=told.type.removeprefix(OURS),
        quantity=used.quantity,
        occurred_at=told.time,
        account=told.subject,
        to=used.to,
        sender=used.sender,
        attributes=used.attributes,
    )


def _data(data: bytes | msgspec.Raw) -> UsageData:
    try:
        return parse_json(UsageData, data)
    except Malformed as error:
        raise Malformed(f"data: {error.message}", f"data.{error.field}" if error.field else "data") from None
