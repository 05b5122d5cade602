"""Time for a store on one machine: wall time anchored once per boot, plus the clock that only runs forward.

A step of the wall clock (NTP after a long sleep, a person) then neither expires every lease nor freezes every retry.
All processes read the anchor from the store, so they agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts sleep, where the system can say


class Clock(Protocol):
    """Unix seconds that never run backwards."""

    def now(self) -> float: ...


def boot_seconds() -> float:
    """Seconds since the machine started."""
    return time.clock_gettime(_BOOT_CLOCK)


def boot_id() -> str:
    """What changes with every start of the machine; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


class BootClock:
    """``anchor`` is the unix time at which the boot clock was 0."""

    def __init__(self, anchor: float, seconds: Callable[[], float] = boot_seconds) -> None:
        self.anchor = anchor
        self._seconds = seconds

    def now(self) -> float:
        return self.anchor + self._seconds()

    def skew(self) -> float:
        """Seconds by which the wall clock has moved since the anchor was taken: positive if it is ahead."""
        return time.time() - self.now()


class FakeClock:
    """A clock that tests move by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
