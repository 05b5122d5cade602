"""Reading a payload without trusting it: JSON or a form, one path into it, and text that is safe to show and store."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs

import msgspec

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_TRICKY = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
"""What steers a terminal, hides, or changes the direction of reading."""
FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1_000


def parse(body: bytes, content_type: str = "") -> Any:
    """The JSON value of ``body``, or a form as a dict of lists, else None. Total: any bytes end in a value."""
    if content_type == FORM:
        return parse_form(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def parse_form(body: bytes) -> dict[str, list[str]] | None:
    """The fields of a form, or None if it is none."""
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        return None


def dig(value: Any, path: str) -> Any:
    """``dig({"a": [{"b": 1}]}, "a.0.b")`` → 1; None where the path leads nowhere."""
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and len(part) < 8 and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def clean(value: object, limit: int = 255) -> str:
    """A value as one line that can be stored, logged and shown: no control, bidi or surrogate characters."""
    text = value if isinstance(value, str) else str(value)
    if len(text) <= limit and text.isprintable():  # which nothing is that _UNSAFE names; most text is
        return text
    return _UNSAFE.sub("", text[: limit * 2])[:limit]


def visible(value: object, keep: str = "") -> str:
    """A value as text whose control, bidi and invisible characters are shown as escapes; ``keep`` stays as it is."""

    def escape(match: re.Match[str]) -> str:
        char = match.group()
        if char in keep:
            return char
        code = ord(char)
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"

    return _TRICKY.sub(escape, value if isinstance(value, str) else str(value))


def safe_json(value: Any) -> str:
    """One line of JSON for logs and terminals: C1 controls and bidi marks, legal in JSON, become ``\\uXXXX``."""

    def escape(match: re.Match[str]) -> str:
        units = match.group().encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))

    try:
        line = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate, of a file name or a header
        line = json.dumps(msgspec.to_builtins(value))
    return line if line.isascii() and "\x7f" not in line else _TRICKY.sub(escape, line)
