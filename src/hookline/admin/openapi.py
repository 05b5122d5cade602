"""The OpenAPI 3.1 document, generated from the table of operations: it cannot say anything else than the code does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hookline.admin.objects import Page
from hookline.admin.operations.base import Bytes, Operation
from hookline.admin.problems import CONTENT_TYPE, Problem

REF = "#/components/schemas/{name}"
PREFIX = "/api/v1"

TAGS = (
    "events",
    "deliveries",
    "replays",
    "requests",
    "sources",
    "destinations",
    "stats",
    "health",
    "tokens",
    "audit",
)
"""In the order in which people read about them."""

LIVE: dict[str, Any] = {
    "operationId": "follow_events",
    "tags": ["events"],
    "summary": "Events as they arrive, as server-sent events.",
    "description": "Each `event` carries an event's JSON in `data` and its id in `id`.\n\nNeeds the role `viewer`.",
    "parameters": [
        {"name": "q", "in": "query", "required": False, "description": "What to follow.", "schema": {"type": "string"}},
        {
            "name": "after",
            "in": "query",
            "required": False,
            "description": "Begin after this id.",
            "schema": {"type": "string"},
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The same, as browsers send it when they come back.",
            "schema": {"type": "string"},
        },
    ],
    "responses": {
        "200": {"description": "A stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        "default": {"$ref": "#/components/responses/400"},
    },
}
"""The one answer that does not end; see :mod:`hookline.admin.live`."""

PROBLEMS = {
    "400": "The request cannot be understood; `detail` names the field.",
    "401": "No token, or one that is not valid (any more).",
    "403": "The token's role may not do this.",
    "404": "There is no such thing.",
    "409": "It cannot be done in the present state.",
    "422": "The configuration does not allow it: a secret that cannot be had, a setting that says something else.",
    "503": "The store cannot be reached just now; nothing was changed.",
}


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The whole document, as JSON values."""
    table = sorted(operations, key=lambda row: (TAGS.index(row.tag), row.path, row.method))
    kinds = {row.answer for row in table if row.answer is not Bytes}
    ordered = sorted(kinds, key=str)
    refs, components = msgspec.json.schema_components([*ordered, Problem], ref_template=REF)
    schema = dict(zip(ordered, refs, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for row in table:
        paths.setdefault(PREFIX + row.path, {})[row.method.lower()] = _operation(row, schema)
    paths[f"{PREFIX}/live/events"] = {"get": LIVE}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hookline",
            "version": version,
            "summary": "Webhooks received, kept and delivered.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in table)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {_plain(name): _renamed(body) for name, body in sorted(components.items())},
            "responses": {
                status: {
                    "description": text,
                    "content": {CONTENT_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}},
                }
                for status, text in PROBLEMS.items()
            },
        },
    }


def _operation(row: Operation, schema: dict[Any, Any]) -> dict[str, Any]:
    _, own = msgspec.json.schema_components([row.ask], ref_template=REF)
    fields: dict[str, Any] = own[row.ask.__name__].get("properties", {})
    required = set(own[row.ask.__name__].get("required", ()))
    parameters = [{"name": name, "in": "path", "required": True, **_split(fields[name])} for name in row.parameters]
    rest = {name: field for name, field in fields.items() if name not in row.parameters}
    found: dict[str, Any] = {
        "operationId": row.name,
        "tags": [row.tag],
        "summary": row.summary,
        "description": "\n\n".join(filter(None, [row.description, f"Needs the role `{row.role}`."])),
        "parameters": parameters,
        "responses": _responses(row, schema),
    }
    if row.reads:
        parameters += [
            {"name": name, "in": "query", "required": name in required, **_split(field)} for name, field in rest.items()
        ]
    elif rest:
        body = {"type": "object", "properties": _renamed(rest), "additionalProperties": False}
        if needed := sorted(required & rest.keys()):
            body["required"] = needed
        found["requestBody"] = {"required": bool(needed), "content": {"application/json": {"schema": body}}}
    return found


def _responses(row: Operation, schema: dict[Any, Any]) -> dict[str, Any]:
    if row.answer is Bytes:
        content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {"application/json": {"schema": _renamed(schema[row.answer])}}
    good = {str(row.status): {"description": "Done." if not row.reads else "Found.", "content": content}}
    return good | {status: {"$ref": f"#/components/responses/{status}"} for status in PROBLEMS}


def _split(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter's description beside its schema."""
    schema = _renamed(field)
    described = {"description": schema.pop("description")} if "description" in schema else {}
    return {**described, "schema": schema}


def _plain(name: str) -> str:
    """``Page_Event_`` → ``EventPage``."""
    generic, _, inner = name.partition("_")
    return f"{inner.rstrip('_')}{generic}" if generic == Page.__name__ and inner else name


def _renamed(value: Any) -> Any:
    """The same with references to the plain names, and without titles that only repeat a name."""
    if isinstance(value, dict):
        found = {key: _renamed(item) for key, item in value.items() if key != "title" or not isinstance(item, str)}
        if isinstance(ref := found.get("$ref"), str):
            found["$ref"] = REF.format(name=_plain(ref.rpartition("/")[2]))
        return found
    return [_renamed(item) for item in value] if isinstance(value, list) else value
