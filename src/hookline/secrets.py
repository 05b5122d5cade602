"""Secrets: where they are found, and a box that keeps them out of everything that is shown."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from hookline.errors import ConfigError

MASK = "***"
MAX_FILE = 1 << 20

_PLACEHOLDER = re.compile(
    r"\*+|x{3,}|\.{3,}|change[-_ ]?me|replace[-_ ]?me|todo|none|null|undefined|"
    r"(my|your|the)[-_ ]?(webhook[-_ ]?)?(secret|token|key)|<.*>|\$\{?\w+\}?",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]*)@")


KEPT: set[str] = set()
"""What references of sources and destinations stood for in this process: log lines mask it."""

_SHORTEST_KEPT = 6
"""Shorter ones would mask ordinary words."""
_SHORTEST_PART = 16
"""Shorter parts of a URL are ordinary words too."""


class Secret:
    """A text that shows as ``***`` wherever it turns up: in a repr, a log line, a traceback, a pickle.
    ``reveal()`` is the only way out, and easy to search for."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return (Secret, (MASK,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __len__(self) -> int:
        return len(self._text)


def is_reference(value: object) -> bool:
    """Whether a value says where to find a text, instead of being one."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def show_reference(ref: str) -> str:
    """A reference as it may be shown: a text that was written out is masked."""
    return ref if is_reference(ref) else MASK


def resolve(ref: str, env: Mapping[str, str] | None = None) -> str:
    """The text that ``env:NAME`` or ``file:PATH`` stands for, or the text itself. One final newline of a file is not
    part of it: editors and ``echo`` put it there.

    :raises ConfigError: when it cannot be found or is empty. The message names the reference, never its content.
    """
    kind, _, name = ref.partition(":")
    if kind == "env":
        text = (os.environ if env is None else env).get(name)
        if text is None:
            raise ConfigError(f"{ref}: the environment variable is not set — set it where Hookline runs")
    elif kind == "file":
        text = _read(ref, name)
    else:
        return ref
    if not text:
        raise ConfigError(f"{ref}: is empty")
    return text


def _read(ref: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise ConfigError(f"{ref}: is larger than 1 MiB")
        return re.sub(r"\r?\n\Z", "", content.decode())
    except OSError as trouble:
        raise ConfigError(
            f"{ref}: cannot be read ({trouble.strerror or trouble}) — the path starts at the first settings file"
        ) from None
    except ValueError:
        raise ConfigError(f"{ref}: is not UTF-8 text") from None


def keep(*texts: str) -> None:
    """Remember texts that must not appear in a log line, however they are spelled."""
    for text in texts:
        for each in (text, *_parts(text)):
            raw = each.encode("utf-8", "surrogatepass")
            KEPT.update(word.decode("utf-8", "replace") for word in spellings(raw) if len(word) >= _SHORTEST_KEPT)


def spellings(secret: bytes) -> tuple[bytes, ...]:
    """A secret as leaks spell it: plain, in JSON, in URLs, in hex, and in base64, also within something longer."""
    text = secret.decode("utf-8", "replace")
    found = [secret, json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8")]
    for quoted in (quote(text, safe="").encode(), quote_plus(text).encode()):
        found += [quoted, re.sub(rb"%[0-9A-F]{2}", lambda escape: escape[0].lower(), quoted)]
    found += [secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")]
    for skipped in range(3):  # what comes before it decides how its bits fall on letters; the outermost are not its own
        bits = (skipped + len(secret)) * 8
        found.append(base64.b64encode(bytes(skipped) + secret)[-(-skipped * 8 // 6) : bits // 6])
    found += [word.translate(_URLSAFE) for word in found[-4:]]
    return tuple(dict.fromkeys(found))


_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _parts(text: str) -> list[str]:
    """What is secret by itself within a secret text: the password of ``user:password``, the long parts of a URL."""
    if "://" not in text:
        password = text.partition(":")[2]
        return [password] if len(password) >= _SHORTEST_KEPT else []
    path = text.partition("://")[2].partition("?")[0]
    return [*within_url(text), *(part for part in path.split("/")[1:] if len(part) >= _SHORTEST_PART)]


def within_url(url: str) -> list[str]:
    """What is secret in any URL: a password, and long values of its query."""
    try:
        parts = urlsplit(url)
        found = [parts.password] if parts.password else []
    except ValueError:
        return []
    values = [value for _, value in parse_qsl(parts.query)] + [
        pair.partition("=")[2] for pair in parts.query.split("&")
    ]
    return found + [value for value in values if len(value) >= _SHORTEST_PART]


def is_placeholder(text: str) -> bool:
    """Whether this is what stands in an example where a secret should be. Such a "secret" is known to everybody."""
    return not text.strip() or _PLACEHOLDER.fullmatch(text.strip()) is not None


def mask_password(url: str) -> str:
    """``postgresql://me:pass@host/db`` → ``postgresql://me:***@host/db``"""
    return _PASSWORD.sub(rf"\1:{MASK}@", url)
