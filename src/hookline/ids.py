"""Ids: 63-bit integers inside, prefixed and sortable in time outside (``evt_0d3v8m2k9q4hz``).

An id is 41 bits of milliseconds since 2020 and 22 bits of counter. The counter starts at a random place each
millisecond, so that processes seldom meet; a meeting is a unique violation, and the writer takes new ids.
"""

from __future__ import annotations

import itertools
import random
import threading

EPOCH_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z
_COUNTER_BITS = 22
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no i, l, o, u
_VALUES = {char: index for index, char in enumerate(_ALPHABET)}
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_LENGTH = 13  # 13 * 5 = 65 bits
_MAX = (1 << 63) - 1

PREFIXES = {
    "evt": "event",
    "dlv": "delivery",
    "req": "request",
    "att": "attempt",
    "rpl": "replay",
    "tok": "token",
    "aud": "audit entry",
}


class IdMaker:
    """Hands out ids that only grow within a process, whatever the clock does."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  ids are names, not secrets
        self._lock = threading.Lock()
        self._ms = 0
        self._counter = 0

    def take(self, now: float, count: int = 1, above: int = 0) -> list[int]:
        """``count`` new ids for the moment ``now`` (unix seconds), ascending, all greater than ``above``."""
        with self._lock:
            ms = int(now * 1000) - EPOCH_MS
            if above >= (self._ms << _COUNTER_BITS) | self._counter:
                self._ms, self._counter = above >> _COUNTER_BITS, (above & _COUNTER_MASK) + 1
            if ms > self._ms:
                self._ms = ms
                self._counter = self._random.getrandbits(_COUNTER_BITS - 1)
            if self._counter + count <= _COUNTER_MASK:
                first = (self._ms << _COUNTER_BITS) | self._counter
                self._counter += count
                return list(range(first, first + count))
            taken = []
            for _ in itertools.repeat(None, count):
                if self._counter > _COUNTER_MASK:
                    self._ms += 1
                    self._counter = 0
                taken.append((self._ms << _COUNTER_BITS) | self._counter)
                self._counter += 1
            return taken


def show(prefix: str, number: int) -> str:
    """``show("evt", 1234)`` → ``"evt_0000000000016j"``: what people see and type."""
    pairs = _PAIRS
    return (
        f"{prefix}_{_ALPHABET[number >> 60]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}"
        f"{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )


def read(text: str, prefix: str | None = None) -> tuple[str, int] | None:
    """The prefix and number of a shown id, or None if it is none (or not of ``prefix``)."""
    kind, _, digits = text.partition("_")
    if kind not in PREFIXES or (prefix is not None and kind != prefix) or len(digits) != _LENGTH:
        return None
    number = 0
    for char in digits:
        value = _VALUES.get(char)
        if value is None:
            return None
        number = (number << 5) | value
    return (kind, number) if number <= _MAX else None


def when(number: int) -> float:
    """Unix seconds at which an id was made: how a time range becomes an id range."""
    return ((number >> _COUNTER_BITS) + EPOCH_MS) / 1000


def first_at(moment: float) -> int:
    """The smallest id that can have been made at ``moment`` (unix seconds)."""
    return max(0, int(moment * 1000) - EPOCH_MS) << _COUNTER_BITS
