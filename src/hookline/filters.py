"""The JSON match of ``when``: compiled once, judged per event, with the clause that said no.

A clause is a path and what is asked of its value::

    when = { type = "push", body.ref = "refs/heads/main", body.size = { "$gte" = 1, "$lt" = 1000 } }
    when = { "$or" = [ { body.amount = { "$gte" = 1000 } }, { body.vip = true } ] }

A plain value must equal the event's; where the event has a list, one of its items must (a list in the clause asks for
exactly that list). Numbers compare with numbers and texts with texts, anything else is simply no. Nothing of the event
appears in an answer: it may be marked as secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from hookline.errors import ConfigError
from hookline.model import Event, Headers
from hookline.payload import MAX_FORM_FIELDS, dig

Clause = Callable[["View"], str | None]
"""None where the event passes, else the clause that said no, in words."""
Test = Callable[[Any], bool]

_MISSING: Any = object()
_DEEPEST = 32
"""Objects within objects in a ``when``: more is a slip, and would only end in a recursion error later."""


class View:
    """An event as clauses see it: its parts by name, each read at most once."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._parts: dict[str, Any] = {}

    def part(self, name: str) -> Any:
        if name not in self._parts:
            self._parts[name] = _ROOTS[name](self._event)
        return self._parts[name]


_ROOTS: dict[str, Callable[[Event], Any]] = {
    "body": lambda event: event.body,
    "headers": lambda event: _headers(event.headers),
    "query": lambda event: _query(event.target),
    "method": lambda event: event.method,
    "source": lambda event: event.source,
    "environment": lambda event: event.environment,
    "type": lambda event: event.type,
    "id": lambda event: event.provider_id,
    "subject": lambda event: event.subject,
    "origin": lambda event: event.origin,
}


class Filter:
    """A compiled ``when``."""

    def __init__(self, clause: Clause) -> None:
        self._clause = clause

    def judge(self, event: Event) -> str | None:
        """None where the event passes, else the clause that said no: ``body.amount $gte 1000``."""
        return self._clause(View(event))


def compile(when: Mapping[str, Any]) -> Filter:
    """A filter for a ``when`` as TOML or Python holds it. :raises ConfigError: with the clause and the cure."""
    return Filter(_every([_root(key, value) for key, value in _object(when, "when", 0).items()]))


def _root(key: str, asked: Any, depth: int = 0) -> Clause:
    """A key at the top: a part of the event, possibly with a path (``"body.ref"``), or ``$and``, ``$or``, ``$not``."""
    if key.startswith("$"):
        return _logic(key, asked, "", depth, _root)
    root, _, path = key.partition(".")
    if root == "headers":
        key, path = key.lower(), path.lower()
    if root not in _ROOTS:
        raise ConfigError(f"when: an event has no {key!r}; it has {', '.join(_ROOTS)}")
    return _within(key, asked, depth, lambda view: _walk(view.part(root), path) if path else view.part(root))


def _within(path: str, asked: Any, depth: int, read: Callable[[View], Any]) -> Clause:
    """What is asked of the value at ``path``: a plain value, operators, or clauses about what is inside it."""
    if not isinstance(asked, Mapping):
        return _ask(path, f"{path} = {_show(asked)}", _equals(asked), read)
    clauses: list[Clause] = []
    for key, inner in _object(asked, path, depth).items():
        if key in ("$and", "$or", "$not"):
            clauses.append(_logic(key, inner, path, depth, lambda k, v, d: _field_or_operator(path, k, v, d, read)))
        else:
            clauses.append(_field_or_operator(path, key, inner, depth, read))
    return _every(clauses)


def _field_or_operator(path: str, key: str, asked: Any, depth: int, read: Callable[[View], Any]) -> Clause:
    if key.startswith("$"):
        maker = _OPERATORS.get(key)
        if maker is None:
            raise ConfigError(f"when: {path} has the unknown operator {key}; there are {', '.join(_KNOWN)}")
        return _ask(path, f"{path} {key} {_show(asked)}", maker(f"{path} {key}", asked), read)
    name = key.lower() if path == "headers" else key
    return _within(f"{path}.{name}", asked, depth + 1, lambda view: _step(read(view), name))


def _logic(key: str, asked: Any, path: str, depth: int, one: Callable[[str, Any, int], Clause]) -> Clause:
    where = f"{path} {key}".strip()
    if key not in ("$and", "$or", "$not"):
        raise ConfigError(f"when: unknown operator {where}; at the top there are $and, $or and $not")
    if key == "$not":
        inner = _every([one(k, v, depth + 1) for k, v in _object(asked, where, depth).items()])
        return lambda view: f"not: {where} {_show(asked)}" if inner(view) is None else None
    if not isinstance(asked, Sequence) or isinstance(asked, str | bytes) or not asked:
        raise ConfigError(f"when: {where} wants a list of objects")
    choices = [_every([one(k, v, depth + 1) for k, v in _object(item, where, depth).items()]) for item in asked]
    return _every(choices) if key == "$and" else _any(choices)


def _every(clauses: Sequence[Clause]) -> Clause:
    if len(clauses) == 1:
        return clauses[0]

    def judge(view: View) -> str | None:
        for clause in clauses:
            if (answer := clause(view)) is not None:
                return answer
        return None

    return judge


def _any(clauses: Sequence[Clause]) -> Clause:
    def judge(view: View) -> str | None:
        answers = []
        for clause in clauses:
            if (answer := clause(view)) is None:
                return None
            answers.append(answer)
        return f"none of: {'; '.join(answers)}"

    return judge


def _ask(path: str, words: str, test: Test, read: Callable[[View], Any]) -> Clause:
    return lambda view: None if test(read(view)) else words


# -- operators: each takes what was written and returns a test of the event's value -------------------------------


def _equals(asked: Any) -> Test:
    if not isinstance(asked, str | int | float | bool | list | tuple | None):
        raise ConfigError(f"when: {_show(asked)} never equals JSON; write it as a text or a number")
    if isinstance(asked, list | tuple):
        wanted = list(asked)
        return lambda value: isinstance(value, list) and _same(value, wanted)
    return lambda value: _same(value, asked) or (isinstance(value, list) and any(_same(item, asked) for item in value))


def _same(value: Any, asked: Any) -> bool:
    """JSON equality: 1 is 1.0 but not true; nothing there is null."""
    if value is _MISSING:
        return asked is None
    if isinstance(value, bool) or isinstance(asked, bool):
        return value is asked
    if isinstance(value, list) and isinstance(asked, list):
        return len(value) == len(asked) and all(map(_same, value, asked))
    return bool(value == asked)


def _order(compare: Callable[[Any, Any], bool]) -> Callable[[str, Any], Test]:
    def make(where: str, asked: Any) -> Test:
        if isinstance(asked, bool) or not isinstance(asked, int | float | str):
            raise ConfigError(f"when: {where} wants a number or a text")
        kind: Any = str if isinstance(asked, str) else (int, float)
        return lambda value: isinstance(value, kind) and not isinstance(value, bool) and compare(value, asked)

    return make


def _text(check: Callable[[str, str], bool]) -> Callable[[str, Any], Test]:
    def make(where: str, asked: Any) -> Test:
        if not isinstance(asked, str):
            raise ConfigError(f"when: {where} wants a text")
        return lambda value: isinstance(value, str) and check(value, asked)

    return make


def _among(where: str, asked: Any) -> Test:
    if not isinstance(asked, list | tuple):
        raise ConfigError(f"when: {where} wants a list")
    tests = [_equals(item) for item in asked]
    return lambda value: any(test(value) for test in tests)


def _exists(where: str, asked: Any) -> Test:
    if not isinstance(asked, bool):
        raise ConfigError(f"when: {where} wants true or false")
    return lambda value: (value is not _MISSING and value is not None) is asked


def _inverse(make: Callable[[str, Any], Test]) -> Callable[[str, Any], Test]:
    def inverted(where: str, asked: Any) -> Test:
        test = make(where, asked)
        return lambda value: not test(value)

    return inverted


_OPERATORS: dict[str, Callable[[str, Any], Test]] = {
    "$eq": lambda where, asked: _equals(asked),
    "$neq": _inverse(lambda where, asked: _equals(asked)),
    "$gt": _order(lambda value, asked: value > asked),
    "$gte": _order(lambda value, asked: value >= asked),
    "$lt": _order(lambda value, asked: value < asked),
    "$lte": _order(lambda value, asked: value <= asked),
    "$in": _among,
    "$nin": _inverse(_among),
    "$startsWith": _text(str.startswith),
    "$endsWith": _text(str.endswith),
    "$exists": _exists,
}
_KNOWN = (*_OPERATORS, "$and", "$or", "$not")


# -- reading --------------------------------------------------------------------------------------------------------


def _step(value: Any, key: str) -> Any:
    """One key further: its exact name first, then, with dots, the path that it reads like."""
    if isinstance(value, dict) and key in value:
        return value[key]
    if "." in key:
        return _walk(value, key)
    if isinstance(value, list) and key.isdecimal() and len(key) < 8 and int(key) < len(value):
        return value[int(key)]
    return _MISSING


def _walk(value: Any, path: str) -> Any:
    found = dig(value, path)
    return _MISSING if found is None else found


def _object(value: Any, where: str, depth: int) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(f"when: {where} wants an object with at least one key")
    if depth > _DEEPEST:
        raise ConfigError(f"when: {where} is nested more than {_DEEPEST} deep")
    if odd := [key for key in value if not isinstance(key, str)]:
        raise ConfigError(f"when: {where} has the key {odd[0]!r}, which is no text")
    return value


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:117] + "..."


def _headers(headers: Headers) -> dict[str, str]:
    """By lower-case name, the first value of each."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(headers)}


def _query(target: bytes) -> dict[str, Any]:
    try:
        fields = parse_qs(
            target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError:
        return {}
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
