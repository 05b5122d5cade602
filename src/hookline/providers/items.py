"""Taking a batch apart without re-writing it: each item keeps the bytes that it came with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hookline.providers.facts import Facts

Split = Callable[[Facts], list[bytes] | None]
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Listed:
    """Takes apart the list at ``path`` (empty: the document is the list). None where there is no list."""

    def __init__(self, path: str = "") -> None:
        self._keys = path.split(".") if path else []
        self.first = f"{path}.0" if path else "0"
        """The path of the first item."""
        shape: Any = list[msgspec.Raw]
        for key in reversed(self._keys):
            shape = msgspec.defstruct("Holder", [("inside", shape)], rename={"inside": key})
        self._decode = msgspec.json.Decoder(shape).decode

    def __call__(self, facts: Facts) -> list[bytes] | None:
        try:
            found = self._decode(facts.document)
        except UNREADABLE:
            return None
        for _ in self._keys:
            found = found.inside
        return [bytes(item) for item in found]


class _Entry(msgspec.Struct):
    changes: list[msgspec.Raw] = []
    messaging: list[msgspec.Raw] = []


class _Entries(msgspec.Struct):
    entry: list[_Entry]


_entries = msgspec.json.Decoder(_Entries).decode


def meta_changes(facts: Facts) -> list[bytes] | None:
    """Meta nests: every entry holds changes (WhatsApp, pages) or messages (Messenger, Instagram)."""
    try:
        found = _entries(facts.document)
    except UNREADABLE:
        return None
    items = [bytes(item) for entry in found.entry for item in (*entry.changes, *entry.messaging)]
    return items or None
