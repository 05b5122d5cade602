"""What only a stored payload can tell of an event: the half of a search that no index answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hookline import search
from hookline.model import Headers
from hookline.payload import dig, parse

FORM = "application/x-www-form-urlencoded"


class Fast(msgspec.Struct, frozen=True):
    """Known from columns: an SQL expression that is 0 or 1, never null."""

    sql: str
    place: int
    """Its column among the truth values of a row."""


class Slow(msgspec.Struct, frozen=True):
    """Known from the payload."""

    term: search.Term


class Not(msgspec.Struct, frozen=True):
    node: Node


class Both(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...]
    every: bool
    """True for and, False for or."""


Node = Fast | Slow | Not | Both


class Payload(msgspec.Struct, frozen=True):
    """What slow terms look at."""

    headers: Headers
    body: bytes
    content_type: str
    words: Sequence[str | None] = ()
    """Columns that free text looks at too."""


def judge(node: Node, truths: Sequence[Any], payload: Callable[[], Payload]) -> bool:
    """Whether a row is wanted: ``truths`` are what its columns said, ``payload`` opens it if that is not enough."""
    match node:
        case Fast():
            return bool(truths[node.place])
        case Slow():
            return _says(node.term, payload())
        case Not():
            return not judge(node.node, truths, payload)
        case Both():
            parts = (judge(part, truths, payload) for part in node.nodes)
            return all(parts) if node.every else any(parts)


def _says(term: search.Term, payload: Payload) -> bool:
    if term.field == "header":
        path = term.path.encode("utf-8", "replace")
        values = [value.decode("latin-1") for name, value in payload.headers if name.lower() == path]
        return any(meets(value, term) for value in values)
    if term.field == "body":
        if not _may_hold(payload, term):
            return False
        found = dig(parse(payload.body, payload.content_type), term.path)
        return any(meets(value, term) for value in (found if isinstance(found, list) else [found]))
    needle = term.value.casefold()
    if any(word is not None and needle in word.casefold() for word in payload.words):
        return True
    text = payload.body.decode("utf-8", "replace").casefold()
    return needle in text or (not needle.isascii() and json.dumps(needle)[1:-1] in text)


_PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")


def _may_hold(payload: Payload, term: search.Term) -> bool:
    """False where a look at the raw bytes is enough: parsing 7 KB costs twenty times as much. Plain text can stand in
    JSON only as it is, or as ``\\u`` escapes."""
    if payload.content_type == FORM or b"\\u" in payload.body:
        return True
    key = term.path.rpartition(".")[2]
    if _PLAIN.fullmatch(key) and not key.isdecimal() and key.encode() not in payload.body:
        return False
    text = term.op == "=" and _PLAIN.fullmatch(term.value) and _number(term.value) is None
    return not text or term.value.encode() in payload.body


def meets(value: Any, term: search.Term) -> bool:
    """Whether a value of a payload is what the term asks: numbers compare with numbers, texts with texts."""
    if value is None or isinstance(value, dict | list):
        return False
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if term.op == "like":
        return _like(text, term.value)
    left: Any = text
    right: Any = term.value
    if not isinstance(value, bool):
        numbers = _number(value), _number(term.value)
        if None not in numbers:
            left, right = numbers
        elif term.op != "=" and (numbers[0] is None) != (numbers[1] is None):
            return False
    match term.op:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case _:
            return bool(left == right)


def _like(text: str, pattern: str) -> bool:
    """``*`` is any text. No regular expression: a query must not be able to keep a thread busy."""
    first, *rest = pattern.split("*")
    if not text.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(rest[-1]) and len(text) - len(rest[-1]) >= at


def _number(value: Any) -> float | int | None:
    if isinstance(value, int):
        return value
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
