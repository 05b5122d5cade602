"""What code, files, the environment and flags say, laid over one another. Every value knows where it was written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hookline.config.lines import lines_of
from hookline.config.settings import TABLES, Problem

Keys = tuple[str | int, ...]

DEFAULT_FILE = "hookline.toml"
PREFIX = "HOOKLINE_"
CODE_ENV = "HOOKLINE_CODE"
"""JSON: the settings that an app was given in code, from a process that imported it to its children."""
MAX_FILE = 16 << 20
MAX_DEPTH = 64

_AT_LINE = re.compile(r"\s*\(at line (\d+), column (\d+)\)$")


class Layer(msgspec.Struct, frozen=True):
    """One place that says something: a file, the environment, the flags, code."""

    data: dict[str, Any]
    places: dict[Keys, str]
    """Where each key was written. A key that is missing here was written where its parent was."""


class Layers:
    """The layers laid over one another, the last on top."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.places: dict[Keys, str] = {}

    def add(self, layer: Layer) -> None:
        self._lay(self.data, layer.data, (), (), layer.places)

    def place(self, keys: Keys) -> str:
        """Where a key, or the nearest table around it, was written."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, "")

    def _lay(self, under: dict[str, Any], over: Mapping[str, Any], keys: Keys, theirs: Keys, places: Any) -> None:
        for key, value in over.items():
            path, their_path = (*keys, key), (*theirs, key)
            if isinstance(value, Mapping) and len(path) < MAX_DEPTH:
                if place := _place(places, their_path):
                    self.places.setdefault(path, place)
                if not isinstance(under.get(key), dict):
                    under[key] = {}
                self._lay(under[key], value, path, their_path, places)
            elif path == ("routes",) and isinstance(value, list | tuple):
                self._add_routes(value, places)
            else:
                under[key] = value
                self._mark(path, their_path, places)

    def _add_routes(self, routes: Iterable[Any], places: Mapping[Keys, str]) -> None:
        """Routes of several files add up; one that has the name of an earlier one replaces it."""
        known = self.data.setdefault("routes", [])
        if not isinstance(known, list):
            self.data["routes"] = known = []
        for number, route in enumerate(routes):
            name = route.get("name") if isinstance(route, Mapping) else None
            index = next((at for at, old in enumerate(known) if name is not None and _name(old) == name), len(known))
            known[index : index + 1] = [route]
            self._mark(("routes", index), ("routes", number), places)

    def _mark(self, path: Keys, theirs: Keys, places: Mapping[Keys, str]) -> None:
        """A value replaces what stood at ``path``, and so do the places within it."""
        for old in [old for old in self.places if old[: len(path)] == path]:
            del self.places[old]
        below = {key: place for key, place in places.items() if key[: len(theirs)] == theirs}
        self.places |= {(*path, *key[len(theirs) :]): place for key, place in below.items()}
        self.places[path] = _place(places, theirs)


def _name(route: object) -> object:
    return route.get("name") if isinstance(route, Mapping) else None


def _place(places: Mapping[Keys, str], keys: Keys) -> str:
    while keys and keys not in places:
        keys = keys[:-1]
    return places.get(keys, "")


def read_files(paths: Sequence[str | Path], problems: list[Problem]) -> list[tuple[str, Layer]]:
    """The files that can be read, each with its name. Without any name, ``hookline.toml`` where there is one."""
    if not paths:
        return read_files([DEFAULT_FILE], problems) if Path(DEFAULT_FILE).is_file() else []
    return [(str(path), layer) for path in paths if (layer := _read_file(str(path), problems)) is not None]


def _read_file(name: str, problems: list[Problem]) -> Layer | None:
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as trouble:
        what = f"cannot be read ({getattr(trouble, 'strerror', None) or trouble})"
        problems.append(Problem(key="", what=what, cure="name a file that exists, or run `hookline init`", place=name))
        return None
    if len(content) > MAX_FILE:
        problems.append(Problem(key="", what="is larger than 16 MiB", cure="is this the right file?", place=name))
        return None
    return parse_file(name, content, problems)


def parse_file(name: str, content: bytes, problems: list[Problem]) -> Layer | None:
    """A file's content as a layer, or None and a problem if it is no TOML."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as trouble:
        line = content.count(b"\n", 0, trouble.start) + 1
        problems.append(Problem(key="", what="is not UTF-8 text", cure="save it as UTF-8", place=f"{name}:{line}"))
        return None
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as trouble:
        problems.append(_no_toml(name, text, str(trouble)))
        return None
    return Layer(data, {keys: f"{name}:{line}" for keys, line in lines_of(text).items()})


def _no_toml(name: str, text: str, trouble: str) -> Problem:
    found = _AT_LINE.search(trouble)
    line = int(found[1]) if found else text.count("\n") + 1
    what = _AT_LINE.sub("", trouble).removesuffix(" (at end of document)")
    return Problem(key="", what=f"is not TOML here: {what[:200]}", cure=_toml_cure(what), place=f"{name}:{line}")


def _toml_cure(what: str) -> str:
    if "Invalid value" in what:
        return 'texts stand in quotes: key = "value"'
    if "Cannot overwrite" in what or "Cannot declare" in what:
        return "a key or table stands here for the second time: make it one"
    if "Expected '='" in what:
        return 'write key = "value"'
    if "Unbalanced" in what or "Unclosed" in what or "Expected ']'" in what:
        return "close the bracket or the quote that is open"
    return "see https://toml.io"


def from_environment(env: Mapping[str, str], under: Mapping[str, Any], problems: list[Problem]) -> Layer:
    """``HOOKLINE_SERVER__STORE`` and the like. Two underscores go one level down; names of sources and destinations
    are found whatever their case, with ``_`` for ``-``. Names without ``__`` are not settings."""
    layer = Layer({}, {})
    for name in sorted(env):
        if not name.startswith(PREFIX) or "__" not in name.removeprefix(PREFIX):
            continue
        parts = name.removeprefix(PREFIX).lower().split("__")
        place = f"environment {name}"
        if not all(parts) or len(parts) > 10:
            cure = f"write {PREFIX}SERVER__STORE for server.store"
            problems.append(Problem(key="", what="names no setting", cure=cure, place=place))
            continue
        if parts[0] == "routes":
            cure = "write them in a file: routes are a list"
            problems.append(Problem(key="routes", what="cannot be set by the environment", cure=cure, place=place))
            continue
        _set(layer, _known(parts, under), env[name], place, problems)
    return layer


def _known(parts: Sequence[str], under: Mapping[str, Any]) -> list[str]:
    """The parts as the files spell them."""
    spelled = []
    for part in parts:
        names = {name.lower().replace("-", "_"): name for name in under}
        part = names.get(part, part)
        spelled.append(part)
        below = under.get(part)
        under = below if isinstance(below, Mapping) else {}
    return spelled


def from_flags(flags: Mapping[str, object], problems: list[Problem]) -> Layer:
    """``{"server.public": "0.0.0.0:80"}``; None stands for a flag that was not given."""
    layer = Layer({}, {})
    for name, value in flags.items():
        if value is not None:
            _set(layer, name.split("."), value, f"flag {name}", problems)
    return layer


def from_code(data: Mapping[str, Any] | None, env: Mapping[str, str], problems: list[Problem]) -> Layer:
    """What ``Hookline(config={…})`` says; in a process that did not import it, what its parent handed down."""
    if data is None:
        try:
            data = json.loads(env.get(CODE_ENV) or "{}")
        except (ValueError, RecursionError):
            data = None
    if not isinstance(data, Mapping):
        problems.append(
            Problem(key="", what="is no table of settings", cure="unset it", place=f"environment {CODE_ENV}")
        )
        data = {}
    return Layer(_copied(data, 0), {(key,): "code" for key in data})


def _copied(data: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    deeper = depth < MAX_DEPTH
    return {
        str(key): _copied(value, depth + 1) if isinstance(value, Mapping) and deeper else value
        for key, value in data.items()
    }


def _set(layer: Layer, parts: Sequence[str], value: object, place: str, problems: list[Problem]) -> None:
    table = layer.data
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            what = "is set as a value and as a table"
            problems.append(Problem(key=".".join(parts), what=what, cure="drop one of the two", place=place))
            return
    if isinstance(table.get(parts[-1]), dict):
        what = "is set as a table and as a value"
        problems.append(Problem(key=".".join(parts), what=what, cure="drop one of the two", place=place))
        return
    table[parts[-1]] = value
    for depth in range(1, len(parts) + 1):
        layer.places.setdefault(tuple(parts[:depth]), place)


def show_keys(keys: Keys) -> str:
    """``("routes", 0, "to")`` → ``routes[0].to``"""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


SECTIONS = (*TABLES, "sources", "routes", "destinations")
