"""Where a value is found in a request, said in a few words, and read without decoding more than those words name.

A field is a path: ``header.X-Event``, ``body.data.object.id``, ``form.CallSid``, ``query.secret``, or ``envelope.live``
(the whole request's JSON, where ``body`` is one item of a batch). Rows of the provider table and users' ``id = …`` and
``type = …`` keys speak the same language; odd places take a function of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from hookline.errors import ConfigError
from hookline.payload import dig, parse

if TYPE_CHECKING:
    from hookline.providers.facts import Facts

Get = Callable[["Facts"], Any]

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PLACES = ("header", "body", "envelope", "form", "query")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_LARGEST = 1e300  # Python refuses to write out integers of more than 4,300 digits
_LAST_IN_SECONDS = 20_000_000_000  # the year 2603; as milliseconds, August 1970
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


class First(msgspec.Struct, frozen=True):
    """The first of several fields that has a value."""

    fields: tuple[Field, ...]


class Join(msgspec.Struct, frozen=True):
    """Several fields in one text. ``whole`` gives nothing unless every part has a value."""

    separator: str
    fields: tuple[Field, ...]
    whole: bool = False


class Time(msgspec.Struct, frozen=True):
    """A field read as a time: ``s`` or ``ms`` since 1970, ``iso`` (without a zone: UTC), or ``any`` of these."""

    field: Field
    unit: str = "any"


class Flag(msgspec.Struct, frozen=True):
    """A field read as live (True) or test (False) by the texts that mean so; None for any other."""

    field: Field
    live: tuple[str, ...] = ("true",)
    test: tuple[str, ...] = ("false",)


Field = str | First | Join | Time | Flag | Callable[["Facts"], Any]


def first(*fields: Field) -> First:
    return First(fields)


def join(separator: str, *fields: Field) -> Join:
    return Join(separator, fields)


def whole(separator: str, *fields: Field) -> Join:
    """A key made of several fields: none of them may be missing."""
    return Join(separator, fields, whole=True)


def text(value: object) -> str | None:
    """A scalar as text; None for nothing, objects and lists."""
    match value:
        case str():
            return value or None
        case bytes():
            return value.decode("latin-1") or None
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value) if abs(value) < _LARGEST else None
    return None


def moment(value: object, unit: str) -> float | None:
    """Unix seconds of a provider's own time, or None where it is not one."""
    said = text(value)
    if said is None or len(said) > 40:
        return None
    if unit == "iso":
        return _iso(said)
    try:
        seconds = float(said)
    except ValueError:
        return _iso(said) if unit == "any" else None
    if unit == "ms" or (unit == "any" and seconds > _LAST_IN_SECONDS):
        seconds /= 1000
    return seconds if 0 <= seconds <= _LAST_SECOND else None


def _iso(said: str) -> float | None:
    if not _ISO.fullmatch(said):
        return None
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        return None
    try:
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
    return seconds if seconds >= 0 else None


def paths(field: Field | None) -> list[str]:
    """Every path in a field, in order."""
    match field:
        case str():
            return [field]
        case First(fields) | Join(fields=fields):
            return [path for part in fields for path in paths(part)]
        case Time(part) | Flag(part):
            return paths(part)
    return []


def check_path(path: object, where: str) -> str:
    """A user's path, or ConfigError."""
    if not isinstance(path, str) or path.partition(".")[0] not in _PLACES or not path.partition(".")[2]:
        raise ConfigError(
            f'{where}: not a place in a request — write "header.X-Name", "body.a.b", "form.a" or "query.a"'
        )
    return path


class Peek:
    """Reads a few fields of a JSON document: typed structs of just these fields let msgspec skip the rest."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(dict.fromkeys(fields))
        leaves, self._rest = [], []
        for field in self.fields:  # an index into a list cannot be typed: take the list, then look inside
            name, _, inside = re.sub(r"\.(?=[0-9]+(\.|$))", "\0", field, count=1).partition("\0")
            leaves.append(name)
            self._rest.append(inside)
        tree = _tree(leaves)
        self._typed = bool(tree)
        if tree:
            struct, names = _struct(tree)
            self._decode = msgspec.json.Decoder(struct).decode
            getters = [attrgetter(names[leaf]) for leaf in leaves]
            self._all: Callable[[Any], tuple[Any, ...]] = (
                attrgetter(*(names[leaf] for leaf in leaves)) if len(leaves) > 1 else lambda found: (getters[0](found),)
            )
        self._inside = any(self._rest)

    def __call__(self, document: bytes) -> tuple[Any, ...]:
        """One value for each field, None where it is missing. Total: any bytes end in values."""
        if self._typed:
            try:
                found = self._all(self._decode(document))
            except _UNREADABLE:
                pass
            except AttributeError:  # null where an object was expected
                pass
            else:
                if self._inside:
                    return tuple(dig(v, rest) if rest else v for v, rest in zip(found, self._rest, strict=True))
                return found
        value = parse(document)
        return tuple(dig(value, field) for field in self.fields)


def _tree(leaves: list[str]) -> dict[str, Any] | None:
    """The leaves as nested keys; None if one is wanted both as a whole and inside, which no struct can say."""
    tree: dict[str, Any] = {}
    for leaf in leaves:
        node = tree
        *outer, last = leaf.split(".")
        for part in outer:
            node = node.setdefault(part, {})
            if node is None:
                return None
        if node.setdefault(last, None) is not None:
            return None
    return tree


def _struct(tree: dict[str, Any]) -> tuple[type[msgspec.Struct], dict[str, str]]:
    """A struct type of these keys, and the attribute path of each leaf."""
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    rename: dict[str, str] = {}
    for number, (key, inside) in enumerate(tree.items()):
        attribute = f"f{number}"
        rename[attribute] = key
        if inside is None:
            fields.append((attribute, Any, None))
            names[key] = attribute
            continue
        struct, inner = _struct(inside)
        fields.append((attribute, struct | None, msgspec.field(default_factory=struct)))
        names.update({f"{key}.{leaf}": f"{attribute}.{path}" for leaf, path in inner.items()})
    return msgspec.defstruct("Peeked", fields, rename=rename, gc=False), names


class Readers:
    """Compiles the fields of one row together, so that its body is read once for all of them."""

    def __init__(self) -> None:
        self._body: list[str] = []
        self._envelope: list[str] = []
        self.headers: set[bytes] = set()

    def add(self, field: Field | None) -> Get | None:
        """The function that reads a field; None for none."""
        match field:
            case None:
                return None
            case str():
                return self._path(field)
            case First(fields):
                return _first([get for part in fields if (get := self.add(part))])
            case Join(separator, fields, needed):
                return _join(separator, [get for part in fields if (get := self.add(part))], needed)
            case Time(part, unit):
                return _time(self._need(part), unit)
            case Flag(part, live, test):
                return _flag(self._need(part), live, test)
        return field

    def _need(self, field: Field) -> Get:
        get = self.add(field)
        assert get is not None
        return get

    def peeks(self) -> tuple[Peek, Peek]:
        """For the document, and for the envelope of a batch."""
        return Peek(self._body), Peek(self._envelope)

    def _path(self, path: str) -> Get:
        place, _, name = path.partition(".")
        if place == "header":
            key = name.lower().encode("latin-1")
            self.headers.add(key)
            return lambda facts: facts.found.get(key)
        if place == "body":
            index = _index(self._body, name)
            return lambda facts: facts.values[index]
        if place == "envelope":
            index = _index(self._envelope, name)
            return lambda facts: facts.envelope_values[index]
        if place == "form":
            return lambda facts: facts.form_value(name)
        return lambda facts: facts.query_value(name)


def _index(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


def _first(gets: list[Get]) -> Get:
    def read(facts: Facts) -> Any:
        for get in gets:
            value = get(facts)
            if value is not None and value != "" and value != b"":
                return value
        return None

    return read


def _join(separator: str, gets: list[Get], needed: bool) -> Get:
    def read(facts: Facts) -> str | None:
        parts = []
        for get in gets:
            part = text(get(facts))
            if part is not None:
                parts.append(part)
            elif needed:
                return None
        return separator.join(parts) or None

    return read


def _time(inner: Get, unit: str) -> Get:
    return lambda facts: moment(inner(facts), unit)


def _flag(inner: Get, live: tuple[str, ...], test: tuple[str, ...]) -> Get:
    def read(facts: Facts) -> bool | None:
        said = text(inner(facts))
        return True if said in live else False if said in test else None

    return read
