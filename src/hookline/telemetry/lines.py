"""Wide lines, written by a thread of their own, so many a second and no more."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from hookline.telemetry import logs

Value = str | int | float | None | list[str]
Write = Callable[[str], object]

INTERVAL = 0.2
"""Seconds between two looks of the writer."""
FINE_A_SECOND = 200
"""Lines about what went well; the rest is counted in one line."""
TROUBLE_A_SECOND = 1_000


class Lines:
    """A buffer with a budget. :meth:`room` asks, :meth:`put` keeps, :meth:`flush` writes; a thread flushes."""

    def __init__(self, write: Write | None = None, *, threaded: bool = True) -> None:
        self.enabled = True
        self._write = write
        self._threaded = threaded
        self._kept: list[tuple[float, str, dict[str, Value]]] = []
        self._left = {True: int(FINE_A_SECOND * INTERVAL), False: int(TROUBLE_A_SECOND * INTERVAL)}
        self._over: Counter[tuple[str, str, str]] = Counter()
        self._waiting = threading.Event()
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._refilled_at = 0.0

    def room(self, fine: bool, kind: tuple[str, str, str]) -> bool:
        """Whether one more line fits; if not it is counted under its ``kind``: what, of whom, outcome."""
        if not self.enabled:
            return False
        if self._left[fine] > 0:
            self._left[fine] -= 1
            return True
        self._over[kind] += 1
        return False

    def put(self, at: float, level: str, line: dict[str, Value]) -> None:
        """Keep a line of the moment ``at`` (unix seconds) for the writer."""
        self._kept.append((at, level, line))
        if not self._waiting.is_set():
            self._waiting.set()
            if self._threaded and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="hookline-log", daemon=True)
                self._thread.start()

    def flush(self, now: float) -> None:
        """Write what was kept and, once an interval (``now`` in monotonic seconds), refill the budget."""
        with self._flushing:
            kept, self._kept = self._kept, []
            rendered = [logs.render(at, level, line) for at, level, line in kept]
            if now - self._refilled_at >= INTERVAL:
                self._refilled_at = now
                over, self._over = self._over, Counter()
                self._left = {True: int(FINE_A_SECOND * INTERVAL), False: int(TROUBLE_A_SECOND * INTERVAL)}
                for (what, whom, outcome), count in list(over.items()):
                    line: dict[str, Value] = {"message": f"{what}s", "of": whom, "outcome": outcome, "more": count}
                    rendered.append(logs.render(time.time(), "info", line))
            if rendered:
                (self._write or _to_stderr)("".join(rendered))

    def _run(self) -> None:
        while True:
            self._waiting.wait()
            time.sleep(INTERVAL)
            self._waiting.clear()
            self.flush(time.monotonic())


def _to_stderr(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads any more; the counters still count
