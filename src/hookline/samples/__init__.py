"""Payloads to try things with: a body per provider and event type. ``SOURCES.md`` names where each comes from.

A file is named after the event's type, as the provider's check tells it: ``github/issues.opened.json``,
``shopify/orders__create.json`` (``__`` stands for a slash), ``twilio/message.received.form``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

import msgspec

from hookline.errors import ConfigError
from hookline.payload import dig
from hookline.providers.base import Provider
from hookline.providers.fields import Field, First, paths
from hookline.providers.items import Listed
from hookline.providers.schemes.hmac import Hmac
from hookline.providers.table import PROVIDERS

CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "text/xml",
}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A body that a provider could send. ``Verifier.sign`` makes a request of it."""

    provider: str
    type: str
    body: bytes
    content_type: str
    id: str | None = None
    """The event's id, where ``fresh`` gave it one: providers that name ids in a header get it from here."""


def providers() -> list[str]:
    """Providers of which there is a sample."""
    return sorted(_index())


def types(provider: str) -> list[str]:
    """The event types of which there is a sample; empty for a provider without any."""
    return sorted(_index().get(provider, {}))


def load(provider: str, type: str) -> Sample:
    """A sample as it is stored. ConfigError says which types there are."""
    name = _index().get(provider, {}).get(type)
    if name is None:
        known = ", ".join(types(provider)) or "none"
        raise ConfigError(f'no sample of {provider} "{type}" — there are: {known}')
    body = (files(__name__) / provider / name).read_bytes()
    return Sample(provider=provider, type=type, body=body, content_type=CONTENT_TYPES[name.rpartition(".")[2]])


def fresh(
    sample: Sample, *, set: Mapping[str, Any] | None = None, id: str | None = None, now: float | None = None
) -> Sample:
    """The sample with an id and a time of its own (``now``: unix seconds), and the fields that ``set`` names.

    ``set={"data.object.amount": 7}`` counts from the event: in a batch, from its first item.
    """
    if sample.content_type == CONTENT_TYPES["xml"]:
        return _fresh_xml(sample, set or {}, id, now)
    row = PROVIDERS[sample.provider]
    document = _Document(sample)
    inside = _item(row) if document.batched(row) else ""
    if now is not None:
        for path in _times(row):
            document.set_time(_under(inside, path), now)
    if id is not None:
        _name(document, row, inside, id)
    for path, value in (set or {}).items():
        document.set(_under(inside, path), value)
    return msgspec.structs.replace(sample, body=document.body(), id=id)


@lru_cache
def _index() -> dict[str, dict[str, str]]:
    """File names by provider and type."""
    found: dict[str, dict[str, str]] = {}
    for folder in files(__name__).iterdir():
        if folder.is_dir() and folder.name in PROVIDERS:
            found[folder.name] = {
                entry.name.rpartition(".")[0].replace("__", "/"): entry.name for entry in folder.iterdir()
            }
    return found


def _item(row: Provider) -> str:
    """Where the first item of a batch is."""
    return row.item or (row.split.first if isinstance(row.split, Listed) else "")


def _under(inside: str, path: str) -> str:
    return f"{inside}.{path}" if inside else path


def _inner(field: Field | None) -> list[str]:
    """The paths of a field that lead into the event itself."""
    return [path.partition(".")[2] for path in paths(field) if path.startswith(("body.", "form."))]


def _times(row: Provider) -> list[str]:
    """Where the event's own time is (the first that the sample has), and the one that is signed inside the body."""
    signed = [row.scheme.time.body] if isinstance(row.scheme, Hmac) and row.scheme.time else []
    return [path for path in (*signed, *_inner(row.occurred_at)) if path]


def _name(document: _Document, row: Provider, inside: str, id: str) -> None:
    """Puts the id where the event's key is read from, as far as that is in the body."""
    field = row.id if row.id is not None else "body.id"  # where a source of a generic provider would most likely look
    alternatives = field.fields if isinstance(field, First) else (field,)
    named = [path for one in alternatives if isinstance(one, str) for path in _inner(one)]
    others = {*_inner(row.type), *_inner(row.occurred_at)}
    parts = [path for path in _inner(field) if path not in others | {*named} and _IDENTIFYING(path)]
    for path in (*named, *parts):
        if document.set_id(_under(inside, path), id):
            return
    if named:
        document.set(_under(inside, named[0]), id)


_IDENTIFYING = re.compile(r"(?i)(id|key|uri|email|reference)\]?$").search


def _fresh_xml(sample: Sample, fields: Mapping[str, Any], id: str | None, now: float | None) -> Sample:
    """XML is changed as text: the first ``<id>``, the ``<timestamp>``, and elements named by ``fields``."""
    text = sample.body.decode()
    if now is not None:
        text = _element(text, "timestamp", _iso("Z", now))
    if id is not None:
        short = blake2b(id.encode(), digest_size=8).hexdigest()[:15]
        if "<subject>" in text and not re.search("<id>", text):
            text = text.replace("<subject>", "<subject><id></id>", 1)
        text = _element(_element(text, "id", short), "Id", f"04l{short}")
    for path, value in fields.items():
        text = _element(text, path.rpartition(".")[2], escape(str(value)))
    return msgspec.structs.replace(sample, body=text.encode(), id=id)


def _element(text: str, name: str, value: str) -> str:
    """The text with another value in the first element of this name."""
    return re.sub(
        rf"(<{re.escape(name)}(?:\s[^>]*)?>)[^<]*(</)", lambda found: found[1] + value + found[2], text, count=1
    )


_DEEPEST = 100


class _Document:
    """A JSON or form body whose fields can be set by path. Others are kept as they are."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._form = sample.content_type == CONTENT_TYPES["form"]
        self._changed = False
        self._fields = dict(parse_qsl(sample.body.decode(), keep_blank_values=True)) if self._form else {}
        self._value = msgspec.json.decode(sample.body) if sample.content_type == CONTENT_TYPES["json"] else None

    def batched(self, row: Provider) -> bool:
        return bool(_item(row)) and self.get(_item(row)) is not None

    def get(self, path: str) -> Any:
        return self._fields.get(path) if self._form else dig(self._value, path)

    def set(self, path: str, value: Any) -> None:
        """Sets a field, making the objects on the way. ConfigError where the path cannot lead."""
        self._changed = True
        if self._form:
            self._fields[path] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            return
        node = self._value
        *outer, last = path.split(".")
        if len(outer) > _DEEPEST:
            raise ConfigError(f"{path[:40]}…: no document is {len(outer)} levels deep")
        for part in outer:
            following = dig(node, part)
            if following is None and isinstance(node, dict):
                following = node.setdefault(part, {})
            node = following
        if isinstance(node, dict):
            node[last] = value
        elif isinstance(node, list) and last.isdecimal() and int(last) < len(node):
            node[int(last)] = value
        else:
            raise ConfigError(f"{path}: there is no such place in the sample")

    def set_time(self, path: str, now: float) -> None:
        """Writes a time as the sample writes it; nothing where the sample has none."""
        match self.get(path):
            case None | bool():
                return
            case int(old):
                self.set(path, int(now * 1000) if old > 20_000_000_000 else int(now))
            case float():
                self.set(path, now)
            case str(old) if old.isdecimal():
                self.set(path, str(int(now * 1000)) if len(old) > 11 else str(int(now)))
            case str(old):
                self.set(path, _iso(old, now))

    def set_id(self, path: str, id: str) -> bool:
        """Writes an id after the prefix that the sample's id has (``evt_``); False where the sample has none."""
        old = self.get(path)
        if isinstance(old, bool) or not isinstance(old, str | int):
            return False
        if isinstance(old, int):
            self.set(path, int.from_bytes(blake2b(id.encode(), digest_size=6).digest(), "big"))
        else:
            prefix, underscore, _ = old.partition("_")
            prefix = prefix + underscore if underscore and prefix.isalpha() else ""
            self.set(path, id if id.startswith(prefix) else prefix + id)
        return True

    def body(self) -> bytes:
        if not self._changed:
            return self._sample.body
        if self._form:
            return urlencode(self._fields).encode()
        return msgspec.json.encode(self._value)


def _iso(old: str, now: float) -> str:
    """The moment in the sample's own spelling: with ``T`` or a space, with ``Z`` or without a zone."""
    written = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    if " " in old:
        return written[:19].replace("T", " ")
    return written + ("Z" if old[-1:] == "Z" or "+" in old or old.count("-") > 2 else "")
