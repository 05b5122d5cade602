"""The search grammar of pages, command line, API and bulk actions: text in, a tree out. Pure: stores compile the tree.

``source:stripe type:invoice.* status:failed code:5xx since:2h body.amount:>=1000 -is:duplicate "free text"``

A space is and; ``OR`` binds weaker; ``-`` is not; ``( )`` group. ``*`` stands for any text, except in quotes.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import NoReturn

import msgspec

from hookline import ids
from hookline.errors import HooklineError
from hookline.model import Origin, RequestOutcome, State, Status, Trigger

MOST_CHARS = 2_000
MOST_TERMS = 60
DEEPEST = 20


class SearchError(HooklineError):
    """A query that says nothing we know. The message is for whoever typed it: what, and the cure."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(f"at character {at + 1}: {what}")
        self.at = at
        """Characters before the place that is wrong."""
        self.what = what


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One condition on one field."""

    field: str
    """A name of :data:`FIELDS`, or ``body``, ``header``, ``text``."""
    path: str = ""
    """Below ``body`` and ``header``."""
    op: str = "="
    """``=``, ``<``, ``<=``, ``>``, ``>=``; ``like`` for a value with ``*``; ``between`` for two numbers."""
    value: str = ""
    numbers: tuple[float, ...] = ()
    """The value as numbers: of sizes, counts, codes; of times in unix seconds; of ids."""
    at: int = 0


class Not(msgspec.Struct, frozen=True):
    node: Node


class All(msgspec.Struct, frozen=True):
    """Every one of them; none of them is true."""

    nodes: tuple[Node, ...] = ()


class Either(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...]


Node = Term | Not | All | Either

EVERYTHING = All()


class Field(msgspec.Struct, frozen=True):
    """A row of the table that the parser, completion and the docs read."""

    kind: str
    """``text``, ``phrase`` (contained, in any case), ``choice``, ``number``, ``code``, ``time``, ``id``, ``flag``."""
    help: str
    choices: tuple[str, ...] = ()


FLAGS = {
    "retrying": "waits for its next attempt",
    "running": "a worker has it now",
    "held": "was held for a person when it came",
    "duplicate": "came more than once",
    "replayed": "was repeated with --again",
    "superseded": "was repeated after its ordering key had moved on",
}

FIELDS: dict[str, Field] = {
    "source": Field("text", "the source's name"),
    "environment": Field("text", "production, test, …"),
    "type": Field("text", "the event's type: invoice.paid, invoice.*"),
    "status": Field("choice", "of the event", tuple(status.value for status in Status)),
    "state": Field("choice", "of a delivery", tuple(state.value for state in State)),
    "outcome": Field("choice", "of a request", tuple(outcome.value for outcome in RequestOutcome)),
    "reason": Field("phrase", "words of the reason"),
    "code": Field("code", "of the last attempt, or of our answer: 503, 5xx, >=400"),
    "attempts": Field("number", "how often a delivery was tried: >=3"),
    "duplicates": Field("number", "how often the event came again"),
    "size": Field("number", "bytes of the body"),
    "since": Field("time", "received at or after: 2h, 10m, 3d, 2026-11-23, 2026-11-23T10:00:00Z"),
    "until": Field("time", "received before"),
    "subject": Field("text", "the resource that the event is about"),
    "provider_id": Field("text", "the provider's own id"),
    "id": Field("id", "evt_…, dlv_…, req_…, or the provider's own id"),
    "destination": Field("text", "where a delivery goes"),
    "route": Field("text", "the route that a delivery came by"),
    "ordering_key": Field("text", "of a delivery"),
    "trigger": Field("choice", "who asked for a delivery's attempt", tuple(trigger.value for trigger in Trigger)),
    "origin": Field("choice", "how the event came to us", tuple(origin.value for origin in Origin)),
    "peer": Field("text", "the sender's address"),
    "method": Field("text", "of the request"),
    "is": Field("flag", "one of the flags", (*FLAGS, *(status.value for status in Status))),
}
"""Besides these: ``body.path:value``, ``header.name:value`` and free text."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[^\s:()\"]+)?")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_AGO = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw])")
_OPERATOR = re.compile(r"<=|>=|<|>|=")
_ORDER = ("<", "<=", ">", ">=")


def parse(text: str, now: float) -> Node:
    """The tree of a query; :data:`EVERYTHING` for an empty one. ``now`` (unix seconds) is what ``2h`` counts back from.

    :raises SearchError: and nothing else, for any text.
    """
    if len(text) > MOST_CHARS:
        raise SearchError(MOST_CHARS, f"a query may have {MOST_CHARS:,} characters: search for less")
    return _Parser(text, now).query()


class _Parser:
    def __init__(self, text: str, now: float) -> None:
        self.text = text
        self.now = now
        self.at = 0
        self.terms = 0
        self.depth = 0

    # -- the tree ------------------------------------------------------------------------------------------------

    def query(self) -> Node:
        if self.peek() == "":
            return EVERYTHING
        node = self.either()
        if self.peek() == ")":
            self.fail('this ")" closes nothing: remove it, or put it in quotes')
        return node

    def either(self) -> Node:
        nodes = [self.all()]
        while self.at_or():
            self.at += 2
            nodes.append(self.all())
        return nodes[0] if len(nodes) == 1 else Either(tuple(nodes))

    def all(self) -> Node:
        nodes = []
        while self.peek() not in ("", ")") and not self.at_or():
            nodes.append(self.one())
        if not nodes:
            self.fail('something to search for is missing here: write a term on both sides of OR and inside "( )"')
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def one(self) -> Node:
        self.terms += 1
        if self.terms > MOST_TERMS:
            self.fail(f"a query may have {MOST_TERMS} terms: search for less")
        if self.peek() == "-":
            self.at += 1
            if self.text[self.at : self.at + 1] in ("", " ", ")", "-"):
                self.fail('"-" must stand right before what it excludes: -is:duplicate')
            return Not(self.one())
        if self.peek() == "(":
            return self.group()
        return self.term()

    def group(self) -> Node:
        opened = self.at
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f'"( )" may stand {DEEPEST} deep')
        self.at += 1
        node = self.either()
        if self.peek() != ")":
            self.fail('this "(" is never closed: add a ")"', opened)
        self.at += 1
        self.depth -= 1
        return node

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def at_or(self) -> bool:
        self.peek()
        rest = self.text[self.at : self.at + 3]
        return rest == "OR" or (rest[:2] == "OR" and (rest[2].isspace() or rest[2] in '("'))

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        raise SearchError(self.at if at is None else at, what)

    # -- one term ------------------------------------------------------------------------------------------------

    def term(self) -> Term:
        start = self.at
        name = _NAME.match(self.text, self.at)
        if name is None or self.text[name.end() : name.end() + 1] != ":":
            word, _ = self.word()
            return Term(field="text", value=word, at=start)
        self.at = name.end() + 1
        field, _, path = name.group().partition(".")
        if path and field in ("body", "header"):
            return self.below(field, path, start)
        if name.group() not in FIELDS:
            self.fail(_unknown(name.group()), start)
        return self.of_field(name.group(), FIELDS[name.group()], start)

    def word(self) -> tuple[str, bool]:
        """The text up to the next space or parenthesis, or in quotes; and whether it was quoted."""
        start = self.at
        if self.text[start : start + 1] == '"':
            found: list[str] = []
            self.at += 1
            while self.at < len(self.text):
                char = self.text[self.at]
                if char == '"':
                    self.at += 1
                    return "".join(found), True
                if char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\"):
                    self.at += 1
                    char = self.text[self.at]
                found.append(char)
                self.at += 1
            self.fail("these quotes are never closed: add a closing one", start)
        while self.at < len(self.text) and not self.text[self.at].isspace() and self.text[self.at] not in '()"':
            self.at += 1
        return self.text[start : self.at], False

    def below(self, field: str, path: str, start: int) -> Term:
        operator = self.operator()
        value, quoted = self.value(f"{field}.{path}")
        if operator in _ORDER and field == "header":
            self.fail("headers are text: compare them with = or with *", start)
        op = "like" if "*" in value and not quoted and operator in ("", "=") else operator or "="
        return Term(field=field, path=path.lower() if field == "header" else path, op=op, value=value, at=start)

    def operator(self) -> str:
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def value(self, name: str) -> tuple[str, bool]:
        value, quoted = self.word()
        if not value and not quoted:
            self.fail(f'{name} wants a value right after it, such as {name}:{_EXAMPLES.get(name, "x")}; quote "( )"')
        return value, quoted

    def of_field(self, name: str, field: Field, start: int) -> Term:
        placed = self.at
        operator = self.operator() if field.kind in ("number", "code") else ""
        value, quoted = self.value(name)
        match field.kind:
            case "text":
                return Term(field=name, op="like" if "*" in value and not quoted else "=", value=value, at=start)
            case "choice" | "flag":
                if value not in field.choices:
                    self.fail(_no_choice(name, value, field.choices), placed)
                return Term(field=name, value=value, at=start)
            case "number" | "code":
                return self.number(name, operator, value, start, placed)
            case "time":
                return Term(field=name, value=value, numbers=(self.moment(value, placed),), at=start)
            case "id":
                known = ids.read(value)
                if known is None:
                    return Term(field="provider_id", value=value, at=start)
                return Term(field="id", path=known[0], value=value, numbers=(known[1],), at=start)
            case _:
                return Term(field=name, value=value, at=start)

    def number(self, name: str, operator: str, value: str, start: int, placed: int) -> Term:
        if name == "code" and re.fullmatch(r"[1-5][xX]{2}", value) and operator in ("", "="):
            low = float(value[0]) * 100
            return Term(field=name, op="between", value=value, numbers=(low, low + 99), at=start)
        if not _NUMBER.fullmatch(value):
            self.fail(f"{name} wants a number: {name}:{_EXAMPLES[name]}", placed)
        return Term(field=name, op=operator or "=", value=value, numbers=(float(value),), at=start)

    def moment(self, value: str, placed: int) -> float:
        ago = _AGO.fullmatch(value)
        if ago is not None:
            return self.now - float(ago[1]) * _UNITS[ago[2]]
        try:
            when = dt.datetime.fromisoformat(value)
            return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: write 2h, 10m, 3d, 2026-11-23 or 2026-11-23T10:00:00Z", placed)


_EXAMPLES = {
    "code": "5xx",
    "attempts": ">=3",
    "duplicates": ">0",
    "size": ">10000",
    "since": "2h",
    "until": "10m",
    "status": "failed",
    "is": "retrying",
    "source": "stripe",
    "type": "invoice.*",
}


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [*FIELDS, "body.", "header."], 1)
    hint = f"did you mean {near[0]}:? " if near else f"fields are {', '.join(FIELDS)}, body.path and header.name. "
    return f'"{name}" is no field: {hint}Text with a colon is searched for in quotes'


def _no_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value, choices, 1)
    return (
        f"{name}:{value} is unknown{f': did you mean {near[0]}' if near else ''}; {name} is one of {', '.join(choices)}"
    )
