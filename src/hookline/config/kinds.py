"""The kinds of values that settings have: how each is read from TOML, an environment variable or code, and shown.

A reader takes whatever TOML or Python can hold and returns the value, or raises :class:`ValueError` with what is wrong
and what it should look like. Text is enough for every kind, so that an environment variable can say what a file can.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

FOREVER = 100 * 365 * 86_400.0
"""The longest duration: a hundred years. Whatever is longer is a slip of the keyboard."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)

_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZES |= {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_SIZE = re.compile(r"(\d{1,18})\s*([A-Za-z]*)", re.ASCII)
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*/\s*([smhd])", re.ASCII)


class Kind(NamedTuple):
    """How one kind of value is read and shown."""

    name: str
    read: Callable[[object], Any]
    show: Callable[[Any], str]
    """The value as TOML: what the reference page prints as a default."""


def read_duration(value: object) -> float:
    """``"1h30m"`` → 5400.0. A number counts seconds."""
    seconds: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value) if abs(value) <= FOREVER else math.inf
    elif isinstance(value, str) and _DURATION.fullmatch(value := value.strip()):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(value))
    if seconds is None or seconds < 0:
        raise ValueError('is no duration: write "500ms", "30s", "5m", "2h", "30d" or a number of seconds')
    if seconds > FOREVER:
        raise ValueError("is longer than a hundred years")
    return seconds


def show_duration(seconds: float) -> str:
    """5400.0 → ``"90m"``: the largest unit that leaves a whole number."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds and (seconds * 1000).is_integer() else f"{seconds:g}s"


def read_schedule(value: object) -> tuple[float, ...]:
    """``"5s 5m 30m"`` → (5.0, 300.0, 1800.0): how long to wait after each failure. Empty means one attempt only."""
    parts = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError('is no schedule: write the waits after each failure, "5s 5m 30m 2h"')
    if len(parts) > 100:
        raise ValueError("has more than 100 waits")
    return tuple(read_duration(part) for part in parts)


def read_size(value: object) -> int:
    """``"25MiB"`` → 26214400; ``"512MB"`` → 512000000. A number counts bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        factor = _SIZES.get(match[2].lower())
        if factor is not None and (size := int(match[1]) * factor) < 1 << 63:
            return size
    raise ValueError('is no size: write "16KiB", "25MiB", "512MB" or a number of bytes')


def show_size(size: int) -> str:
    """67108864 → ``"64MiB"``: the unit that leaves the smallest whole number."""
    units = {unit: _SIZES[unit.lower()] for unit in ("B", "KB", "KiB", "MB", "MiB", "GB", "GiB")}
    count, unit = min((size // factor, unit) for unit, factor in units.items() if size % factor == 0)
    return f"{count}{unit}" if size else "0B"


def read_rate(value: object) -> float:
    """``"600/m"`` → 10.0 a second. A number counts per second."""
    rate: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        rate = float(value) if abs(value) < 1e9 else None
    elif isinstance(value, str) and (match := _RATE.fullmatch(value.strip())):
        rate = float(match[1]) / _UNITS[match[2]]
    if rate is None or not 0 < rate < 1e9:
        raise ValueError('is no rate: write "10/s", "600/m" or "5/h"')
    return rate


def show_rate(rate: float) -> str:
    return next((f"{rate * _UNITS[unit]:g}/{unit}" for unit in "smhd" if rate * _UNITS[unit] >= 1), f"{rate}/s")


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {described(value)}: write text in quotes")
    if "\x00" in value:
        raise ValueError("contains a NUL character")
    return value


def read_texts(value: object) -> tuple[str, ...]:
    """A list of texts; one text is a list of one, and commas part it (an environment variable has no brackets)."""
    items = listed(value)
    if items is None or not all(isinstance(item, str) for item in items):
        raise ValueError('is no list of texts: write ["one", "two"]')
    return tuple(items)


def read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    raise ValueError(f"is {described(value)}: write true or false")


_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def whole(least: int = 0, most: int = 1 << 53) -> Kind:
    """A whole number between two others."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip(), re.ASCII):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"is {described(value)}: write a whole number")
        if not least <= value <= most:
            bound = f"{least} or more" if value < least else f"{most} or less"
            raise ValueError(f"is {value}: it must be {bound}")
        return value

    return Kind("whole number", read, str)


def read_share(value: object) -> float:
    """A number from 0 to 1, or ``"70%"``."""
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*(%?)", value.strip(), re.ASCII)
        value = float(match[1]) / (100 if match[2] else 1) if match else value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ValueError('is no share: write a number from 0 to 1 or a percentage such as "70%"')


def choice(*words: str) -> Kind:
    """One of a few words."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        raise ValueError(f"is {described(value)}: write {' or '.join(map(quoted, words))}")

    return Kind(" or ".join(map(quoted, words)), read, quoted)


def read_address(value: object) -> str:
    """``"127.0.0.1:8080"``, ``"[::1]:8080"``, ``":8080"`` or ``"unix:/run/hookline.sock"``."""
    if isinstance(value, str) and value.startswith("unix:") and len(value) > 5 and "\x00" not in value:
        return value
    if isinstance(value, str) and "\x00" not in value:
        host, colon, port = value.strip().rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if colon and re.fullmatch(r"\d{1,5}", port, re.ASCII) and int(port) < 65536 and (bracketed or ":" not in host):
            return value.strip()
    raise ValueError('is no address: write "127.0.0.1:8080", "[::1]:8080" or "unix:/run/hookline.sock"')


def read_url(value: object) -> str:
    """An ``http://`` or ``https://`` URL, without a final slash; empty for none."""
    text = read_text(value).strip()
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x20]", text):
        raise ValueError('is no URL: write "https://hooks.example.com"')
    return text.rstrip("/")


def read_store_url(value: object) -> str:
    text = read_text(value).strip()
    if re.match(r"sqlite:///.|postgres(ql)?://.", text):
        return text
    raise ValueError('is no store: write "sqlite:///hookline.db"')


def read_networks(value: object) -> tuple[str, ...]:
    """Addresses and networks: ``["10.0.0.0/8", "192.0.2.7"]``."""
    networks = read_texts(value)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError(f'has {quoted(network)}, which is no address or network: write "10.0.0.0/8"') from None
    return networks


def read_table(value: object) -> dict[str, Any]:
    """A table, or its JSON or TOML text (as an environment variable has it)."""
    if isinstance(value, str):
        value = from_text(value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise ValueError(f"is {described(value)}: write a table {{ key = value }}")


def read_reply(value: object) -> dict[str, Any]:
    """An acknowledgement: ``{ status = 200, content_type = "text/xml", body = "<Response/>" }``."""
    reply = read_table(value)
    if extra := sorted(reply.keys() - {"status", "content_type", "body"}):
        raise ValueError(f"has the unknown key {quoted(extra[0])}: there are status, content_type and body")
    status = whole(200, 299).read(reply.get("status", 200))
    content_type, body = read_text(reply.get("content_type", "")), read_text(reply.get("body", ""))
    if not re.fullmatch(r"[\x20-\x7e]{0,200}", content_type):
        raise ValueError('has a content_type that is none: write "text/xml"')
    return {"status": status, "content_type": content_type, "body": body}


def read_moment(value: object) -> float:
    """Unix seconds of a date (its end, in UTC), or of a time (UTC where it names no zone)."""
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value) if len(value) == 10 else dt.datetime.fromisoformat(value)
        except ValueError:
            pass
    try:
        if isinstance(value, dt.datetime):
            return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).timestamp()
        if isinstance(value, dt.date):
            midnight = dt.datetime.combine(value, dt.time(), dt.UTC)
            return midnight.timestamp() + 86_400
    except (OverflowError, ValueError):
        pass
    raise ValueError("is no date: write 2026-12-15 or 2026-12-15T12:00:00Z")


def from_text(text: str) -> object:
    """What a text means where more than text can be meant: a JSON or TOML value, else the text itself."""
    text = text.strip()
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def listed(value: object) -> list[Any] | None:
    """A value that should be a list: itself, a text parted at commas, or None if it is neither."""
    if isinstance(value, str):
        value = from_text(value)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else None


def quoted(text: object) -> str:
    """Text as TOML (and JSON) writes it, with nothing in it that could upset a terminal."""
    return json.dumps(str(text))


def described(value: object) -> str:
    """What a wrong value is, in a few words. Text is not repeated: it may be a secret in the wrong place."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value!r:.20}"
        case str():
            return "text" if value else "empty"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case dt.date() | dt.time():
            return "a date or time"
    return f"a {type(value).__name__}"


def show_list(values: tuple[str, ...]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


TEXT = Kind("text", read_text, quoted)
TEXTS = Kind("list of texts", read_texts, show_list)
FLAG = Kind("true or false", read_flag, lambda value: str(value).lower())
WHOLE = whole()
SHARE = Kind("share", read_share, str)
DURATION = Kind("duration", read_duration, lambda value: quoted(show_duration(value)))
SCHEDULE = Kind("schedule", read_schedule, lambda value: quoted(" ".join(map(show_duration, value))))
SIZE = Kind("size", read_size, lambda value: quoted(show_size(value)))
RATE = Kind("rate", read_rate, lambda value: quoted(show_rate(value)))
ADDRESS = Kind("address", read_address, quoted)
URL = Kind("URL", read_url, quoted)
STORE = Kind("store URL", read_store_url, quoted)
NETWORKS = Kind("list of networks", read_networks, show_list)
REPLY = Kind("table", read_reply, json.dumps)
TABLE = Kind("table", read_table, json.dumps)
