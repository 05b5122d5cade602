"""On which line of a TOML text a key stands: tomllib does not say, and a problem without a line is half a problem."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]+")
_DEEPEST = 64


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of every table, key and list item of a *valid* TOML text. A text that is not valid gives what
    was read before it made no sense."""
    scan = _Scan(text)
    try:
        scan.document()
    except (_Lost, RecursionError):
        pass
    return scan.lines


class _Lost(Exception):
    """The text is not what a valid one would be here."""


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._arrays: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self._peek("[["):
                table = self._header("[[", "]]")
            elif self._peek("["):
                table = self._header("[", "]")
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self, opening: str, closing: str) -> Path:
        start = self.at
        self._take(opening)
        keys = self._key()
        self._take(closing)
        path: Path = ()
        for depth, key in enumerate(keys, 1):
            path += (key,)
            if opening == "[[" and depth == len(keys):
                self._arrays[path] = self._arrays.get(path, -1) + 1
                self._mark(path, start)
            if path in self._arrays:
                path += (self._arrays[path],)
            self._mark(path, start)
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = table
        for key in self._key():
            path += (key,)
            self._mark(path, start)
        self._take("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        if self._peek("["):
            self._items(path)
        elif self._peek("{"):
            self._inline(path)
        elif not self._skip(_STRING) and not self._skip(_PLAIN):
            raise _Lost

    def _items(self, path: Path) -> None:
        self._take("[")
        self._skip(_BLANK)
        index = 0
        while not self._peek("]"):
            self._mark((*path, index), self.at)
            self._value((*path, index))
            self._skip(_BLANK)
            if not self._peek("]"):
                self._take(",")
            self._skip(_BLANK)
            index += 1
        self._take("]")

    def _inline(self, path: Path) -> None:
        self._take("{")
        self._skip(_BLANK)
        while not self._peek("}"):
            self._pair(path)
            self._skip(_BLANK)
            if not self._peek("}"):
                self._take(",")
            self._skip(_BLANK)
        self._take("}")

    def _key(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            start = self.at
            if self._skip(_BARE_KEY):
                keys.append(self.text[start : self.at])
            elif self._peek(('"', "'")) and self._skip(_STRING):
                keys.append(str(tomllib.loads("key = " + self.text[start : self.at])["key"]))
            else:
                raise _Lost
            self._skip(_SPACE)
            if not self._peek("."):
                return keys
            self._take(".")

    def _mark(self, path: Path, at: int) -> None:
        if len(path) > _DEEPEST:
            raise _Lost
        self.lines.setdefault(path, bisect_right(self._starts, at))

    def _peek(self, what: str | tuple[str, ...]) -> bool:
        return self.text.startswith(what, self.at)

    def _take(self, what: str) -> None:
        self._skip(_SPACE)
        if not self._peek(what):
            raise _Lost
        self.at += len(what)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        if match is None or match.end() == self.at:
            return False
        self.at = match.end()
        return True
