"""The API described for machines, OpenAPI 3.1: derived from the routes, with the examples of examples.py.

Derived by ourselves because handlers take their bodies as raw bytes (no float may touch an amount), which a framework
can't look into. Documentation pages that load scripts from elsewhere are not served.
"""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from tollbook.accounts.key import SCOPES
from tollbook.web.api.auth import JSON
from tollbook.web.api.examples import EXAMPLES, Example
from tollbook.web.api.problems import MEDIA_TYPE, Problem

ERRORS = {
    400: "The request can't be taken as it is; `detail` says why, `field` where.",
    401: "No key, or none that is valid.",
    402: "There is too little credit; `available` says how much there is.",
    403: "The key lacks the scope.",
    404: "No such thing, or it is another account's.",
    409: "It exists already in another shape, or its state does not allow this.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken here.",
    422: "The Idempotency-Key came with another request before.",
    503: "The database does not answer; repeat the request after `Retry-After` seconds.",
}
ALWAYS, WITH_BODY = (400, 401, 403, 404, 503), (408, 413, 415)
REFERENCE = "#/components/schemas/{name}"
DESCRIPTION = (
    "Send usage, hold credit, read back. Amounts are decimal strings in the account's currency. Quantities may be sent as "
    "numbers or decimal strings. Errors are RFC 9457 problems with a stable `code`. Lists are `{items, next}`."
)


@get("/api/v1/openapi.json")
async def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """This document."""
    return Response(_encoded(request.app), media_type=JSON)


@cache
def _encoded(app: Litestar) -> bytes:
    return msgspec.json.encode(document(app.routes))


def document(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of the routes that need a key."""
    operations = [
        (route, method.lower(), handler)
        for route in routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in sorted(route.route_handler_map.items())
        if "scope" in handler.opt and method != "OPTIONS"
    ]
    schemas, components = _schemas([handler for _, _, handler in operations])
    paths: dict[str, dict[str, Any]] = {}
    for route, method, handler in operations:
        paths.setdefault(route.path_format, {})[method] = _operation(route, handler, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollbook", "version": version("tollbook"), "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, tb_... Its scopes: " + "; ".join(f"{k}: {v}" for k, v in SCOPES.items()),
                }
            },
            "responses": {str(status): _problem(text) for status, text in ERRORS.items()},
        },
    }


def unwrapped(handler: HTTPRouteHandler) -> Any:
    """The function that was decorated; the framework wraps synchronous ones."""
    return getattr(handler.fn, "func", handler.fn)


def answer_type(handler: HTTPRouteHandler) -> Any:
    """What a handler answers with, from its annotation."""
    annotation = handler.parsed_fn_signature.return_type.annotation
    return get_args(annotation)[0] if get_origin(annotation) is Response else annotation


def _schemas(handlers: list[HTTPRouteHandler]) -> tuple[dict[Any, Any], dict[str, Any]]:
    answers = [answer_type(handler) for handler in handlers]
    bodies = [kind for handler in handlers if "body" in handler.opt for kind in _kinds(handler)]
    types = list(dict.fromkeys([Problem, *answers, *bodies]))
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    sent = msgspec.json.schema_components(list(dict.fromkeys(bodies)), ref_template=REFERENCE)[1]
    components |= {name: _numbers_too(schema) for name, schema in sent.items()}
    return dict(zip(types, schemas, strict=True)), components


def _kinds(handler: HTTPRouteHandler) -> list[Any]:
    """Everything a body can be."""
    members = [handler.opt["members"]] if "members" in handler.opt else []
    return [handler.opt["body"], *handler.opt["shapes"].values(), *members]


def _numbers_too(schema: Any) -> Any:
    """What is sent may be a JSON number wherever it may be a decimal string."""
    if isinstance(schema, list):
        return [_numbers_too(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return schema | {"type": ["string", "number"]}
    return {name: _numbers_too(value) for name, value in schema.items()}


def _operation(route: HTTPRoute, handler: HTTPRouteHandler, schemas: dict[Any, Any]) -> dict[str, Any]:
    example = EXAMPLES[handler.handler_name]
    described = {
        "operationId": handler.handler_name,
        "summary": (unwrapped(handler).__doc__ or "").strip(),
        "description": f"Scope: {handler.opt['scope']}.",
        "parameters": _parameters(route, handler, example),
        "responses": _responses(handler, example, schemas),
    }
    if "body" in handler.opt:
        described["requestBody"] = {"required": True, "content": _sent(handler, example, schemas)}
    return described


def _sent(handler: HTTPRouteHandler, example: Example, schemas: dict[Any, Any]) -> dict[str, Any]:
    """The body as JSON; as NDJSON its members stand one a line; other types may have other shapes."""
    kind = handler.opt["body"]
    lines = "\n".join(msgspec.json.encode(one).decode() for one in example.body) if get_origin(kind) is list else ""
    content = {type: _content({"type": "string"}, lines) for type in handler.opt["takes"]}
    content |= {type: _content(schemas[shape], example.shapes[type]) for type, shape in handler.opt["shapes"].items()}
    schema = schemas[kind]
    if "members" in handler.opt:
        schema = schema | {"items": {"anyOf": [schema["items"], schemas[handler.opt["members"]]]}}
    return content | {JSON: _content(schema, example.body)}


def _responses(handler: HTTPRouteHandler, example: Example, schemas: dict[Any, Any]) -> dict[str, Any]:
    content = {"application/json": _content(schemas[answer_type(handler)], example.answer)}
    content |= {type: {"schema": {"type": "string"}} for type in example.also}
    errors = {*ALWAYS, *example.errors, *(WITH_BODY if "body" in handler.opt else ())}
    answers: dict[str, Any] = {str(handler.status_code): {"description": "Done.", "content": content}}
    return answers | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(errors)}


def _content(schema: Any, example: Any) -> dict[str, Any]:
    return {"schema": schema, "example": example}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(name="Problem")}}}}


def _parameters(route: HTTPRoute, handler: HTTPRouteHandler, example: Example) -> list[dict[str, Any]]:
    fields = handler.parsed_fn_signature.parameters
    listed = [_in_path(name, fields[name], example) for name in route.path_parameters]
    ours = {"request", "body", *route.path_parameters}
    listed += [_in_query(name, field) for name, field in fields.items() if name not in ours]
    if example.key:
        listed.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": example.key == "required",
                "description": "New for each request, the same for each repeat, which is then answered as before.",
                "schema": {"type": "string", "maxLength": 200},
            }
        )
    return listed


def _in_path(name: str, field: FieldDefinition, example: Example) -> dict[str, Any]:
    schema = msgspec.json.schema(field.annotation)
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example.path[name]}


def _in_query(name: str, field: FieldDefinition) -> dict[str, Any]:
    told: Any = field.kwarg_definition
    schema = msgspec.json.schema(_given(field.annotation))
    if "$ref" in schema:
        schema = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    schema |= {word: value for word, value in (("minimum", told.ge), ("maximum", told.le)) if value is not None}
    if isinstance(field.default, int | str):
        schema["default"] = field.default
    return {
        "name": told.name or name,
        "in": "query",
        "required": not field.has_default,
        "description": told.description,
        "schema": schema,
    }


def _given(annotation: Any) -> Any:
    """The type of a parameter that is there."""
    if get_origin(annotation) in (Union, UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation
