"""The reference page of the API, from the table of operations. ``python -m hookline.admin.reference`` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Any

from hookline.admin.openapi import PROBLEMS, document
from hookline.admin.operations import OPERATIONS

INTRODUCTION = """\
# API

<!-- Written by `python -m hookline.admin.reference`; a test compares. -->

The admin door serves JSON below `/api/v1`, and describes it as OpenAPI 3.1 at `/api/openapi.json` and on a page at
`/api/docs`. Send `Authorization: Bearer TOKEN`; `hookline tokens create NAME --role viewer|operator|admin` makes one.

Lists answer `{"data": [...], "next": CURSOR}`: pass `next` as `cursor` for the next page; it is null on the last. Times
are RFC 3339 in UTC. Errors are problem details (RFC 9457): `detail` says what is wrong and what to do. Fields that a
source marks with `redact` are masked below `operator`.

`GET /api/v1/live/events` streams events as they arrive (server-sent events, `viewer`); `?q=` selects, and a reader that
comes back with `Last-Event-ID` misses nothing. `GET /metrics` is for Prometheus (`viewer`, bearer or Basic).

`q` is the [search grammar](cli.md#search) of the command line.
"""


def page() -> str:
    """The whole page, Markdown."""
    told = document(OPERATIONS.values(), metadata.version("hookline"))
    parts = [INTRODUCTION, "## Problems\n", "| Status | When |\n|---|---|"]
    parts += [f"| {status} | {text} |" for status, text in PROBLEMS.items()]
    parts.append("\n## Operations\n")
    for path, methods in told["paths"].items():
        for method, row in methods.items():
            parts += _operation(method.upper(), path, row)
    parts.append("## Objects\n")
    for name, schema in told["components"]["schemas"].items():
        if not name.endswith("Page") and "properties" in schema:
            parts += _object(name, schema)
    return "\n".join(parts).rstrip() + "\n"


def _operation(method: str, path: str, row: dict[str, Any]) -> Iterator[str]:
    yield f"### `{method} {path}`\n"
    yield row["summary"] + "\n"
    yield row["description"] + "\n"
    rows = [(one["name"], one["in"], one["required"], one) for one in row["parameters"]]
    if "requestBody" in row:
        schema = row["requestBody"]["content"]["application/json"]["schema"]
        needed = schema.get("required", ())
        rows += [(name, "body", name in needed, field) for name, field in schema["properties"].items()]
    if rows:
        yield "| Name | In | |\n|---|---|---|"
        for name, place, required, field in rows:
            yield f"| `{name}`{' (required)' if required else ''} | {place} | {_cell(field.get('description', ''))} |"
        yield ""
    answer = next(iter(row["responses"].values()))["content"]
    if "text/event-stream" in answer:
        yield "Answers a stream that does not end."
    elif "application/json" in answer:
        ref = answer["application/json"]["schema"]["$ref"].rpartition("/")[2]
        one = ref.removesuffix("Page")
        yield f"Answers a list of [{one}](#{one.lower()})." if ref != one else f"Answers [{one}](#{one.lower()})."
    else:
        yield "Answers exact bytes."
    yield ""


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in schema:
        yield schema["description"] + "\n"
    yield "| Field | Type | |\n|---|---|---|"
    for field, told in schema["properties"].items():
        yield f"| `{field}` | {_type(told)} | {_cell(told.get('description', ''))} |"
    yield ""


def _type(told: dict[str, Any]) -> str:
    if "$ref" in told:
        name = told["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in told:
        return " or ".join(_type(one) for one in told["anyOf"])
    if "enum" in told:
        return ", ".join(f"`{one}`" for one in told["enum"])
    if told.get("type") == "array":
        return f"list of {_type(told['items'])}" if isinstance(told.get("items"), dict) and told["items"] else "list"
    if told.get("format") == "date-time":
        return "time"
    return str(told.get("type", "any"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
