"""Could an event be committed now? The disk, the store and our clock, looked at off the hot path."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger("hookline.ingest")

_JUDGE_BY = 60.0
"""Seconds of correctly signed requests that the clock is judged by."""
_FEWEST = 5
BALLAST = "hookline.ballast"
_MOST = 1_000


class Clock:
    """Is it the senders' clocks, or ours? When most of the correctly signed requests of the last minute are out of
    tolerance, it is ours, and a 401 would teach the providers to switch us off."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque(maxlen=_MOST)
        self._stale = 0
        self._alarmed = False

    def fresh(self, now: float) -> None:
        """A genuine request came within its tolerance. ``now`` in unix seconds. Counted only while there is doubt."""
        if self._stale:
            self._add(now, False)

    def stale(self, now: float) -> bool:
        """A correctly signed one came out of tolerance; True if it looks as if our clock is wrong."""
        self._add(now, True)
        wrong = self._stale >= _FEWEST and 2 * self._stale > len(self._seen)
        if wrong and not self._alarmed:
            log.error(
                "clock", problem="most correctly signed requests are out of tolerance: is this machine's clock right?"
            )
        self._alarmed = wrong
        return wrong

    def _add(self, now: float, stale: bool) -> None:
        seen = self._seen
        while seen and (now - seen[0][0] > _JUDGE_BY or len(seen) == _MOST):
            self._stale -= seen.popleft()[1]
        seen.append((now, stale))
        self._stale += stale


class Disk:
    """Free space where the store is. ``low`` refuses events before the database itself is refused."""

    def __init__(
        self,
        path: str | None,
        *,
        refuse: int,
        warn: int,
        ballast: int = 0,
        free: Callable[[str], int] | None = None,
    ) -> None:
        """``path`` is a folder on the disk to watch, None where there is none (a database server's). ``ballast`` bytes
        lie there in a file that is given up when nothing else is left, so that the store can let go of what is old."""
        self._path = path
        self._refuse = refuse
        self._warn = warn
        self._ballast = ballast
        self._free = free or _free
        self._said = ""
        self.low = False

    def look(self) -> None:
        """Measure. Blocks for as long as the file system takes: call it from a thread."""
        if self._path is None:
            return
        try:
            free = self._free(self._path)
        except OSError as trouble:
            self._say("error", "disk cannot be measured", problem=str(trouble))
            return
        self.low = free < self._refuse
        if self._ballast:
            self._balance(Path(self._path) / BALLAST, free)
        if self.low:
            self._say("error", "disk nearly full", free_mb=free >> 20, answer=503)
        elif free < self._warn:
            self._say("warning", "disk is filling up", free_mb=free >> 20)
        else:
            self._said = ""

    def _balance(self, file: Path, free: int) -> None:
        """Give the ballast up on a full disk, and take it in again once there is plenty of room."""
        try:
            if file.exists():
                if free < self._ballast // 2:
                    file.unlink()
                    log.error("gave up the ballast", bytes=self._ballast, problem="the disk is full")
            elif free > self._warn + self._ballast:
                with file.open("wb") as ballast:
                    for _ in range(self._ballast >> 20):
                        ballast.write(bytes(1 << 20))
        except OSError as trouble:
            self._say("warning", "no ballast", problem=str(trouble))

    def _say(self, level: str, message: str, **facts: object) -> None:
        """Once per change, not once per look."""
        if self._said != message:
            self._said = message
            getattr(log, level)(message, **facts)


def _free(path: str) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
