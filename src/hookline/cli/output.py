"""What people and programs read: data on stdout, chatter on stderr, colour and progress on a terminal only.

Payloads come from strangers. Nothing of theirs reaches a terminal raw: control and bidi characters are shown as
escapes, in tables, in text and in ``--json`` alike.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import click

from hookline.payload import safe_json, visible

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "dim": "2", "bold": "1"}
_STATES = {
    "succeeded": "green",
    "processed": "green",
    "accepted": "green",
    "ok": "green",
    "failed": "red",
    "rejected": "red",
    "problem": "red",
    "needs_review": "yellow",
    "warning": "yellow",
    "pending": "cyan",
    "paused": "yellow",
    "ignored": "dim",
    "cancelled": "dim",
    "duplicate": "dim",
    "challenge": "dim",
}


def text(value: object) -> str:
    """Several lines made safe: as :func:`hookline.payload.visible`, with line ends and tabs kept."""
    return visible(value, keep="\n\t")


def coloured(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal whose user wants colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(value: str, colour: str | None, stream: TextIO | None = None) -> str:
    if not colour or not coloured(stream or sys.stdout):
        return value
    return f"\x1b[{_COLOURS[colour]}m{value}\x1b[0m"


def paint_state(value: str) -> str:
    """A state, status or outcome in its colour."""
    return paint(value, _STATES.get(value.strip()))


def say(line: str = "") -> None:
    """A line of data, on stdout. The caller has made it safe."""
    click.echo(line, color=True)


def chatter(line: str) -> None:
    """A line for people, on stderr."""
    click.echo(line, err=True, color=True)


def complain(message: str) -> None:
    """What went wrong, where, and what to do."""
    chatter(paint("error: ", "red", sys.stderr) + text(message))


def objects(rows: Iterable[Any]) -> None:
    """``--json``: one object a line."""
    for row in rows:
        say(safe_json(row))


def width_of(value: str) -> int:
    """Columns that ``value`` takes on a terminal."""
    if value.isascii():
        return len(value)
    columns = 0
    for char in value:
        if unicodedata.combining(char):
            continue
        columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def fit(value: str, columns: int) -> str:
    """``value`` in exactly ``columns`` columns: padded, or cut with an ellipsis."""
    if width_of(value) <= columns:
        return value + " " * (columns - width_of(value))
    kept = ""
    for char in value:
        if width_of(kept + char) > columns - 1:
            break
        kept += char
    return kept + "…" + " " * (columns - 1 - width_of(kept))


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, flexible: int = -1) -> None:
    """Print rows under their titles. On a terminal the ``flexible`` column gives way to make a line fit."""
    cells = [[visible("" if cell is None else cell) for cell in row] for row in rows]
    widths = [max([width_of(title), *(width_of(row[i]) for row in cells)]) for i, title in enumerate(titles)]
    if sys.stdout.isatty():
        spare = shutil.get_terminal_size().columns - sum(widths) - 2 * (len(widths) - 1)
        widths[flexible] = max(8, widths[flexible] + min(0, spare))
    head = "  ".join(fit(title.upper(), width) for title, width in zip(titles, widths, strict=True))
    say(paint(head.rstrip(), "dim"))
    for row in cells:
        line = [paint_state(fit(cell, width)) for cell, width in zip(row, widths, strict=True)]
        say("  ".join(line).rstrip())


def fields(pairs: Iterable[tuple[str, object]], indent: str = "") -> None:
    """Print names and values, one a line; those without a value are left out."""
    shown = [(name, value) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{indent}{paint(name.ljust(width), 'dim')}  {paint_state(visible(value))}")


def ago(seconds: float) -> str:
    """``ago(75)`` → ``"1m 15s"``: a span for people, at most two units, also for spans ahead of us."""
    left = abs(seconds)
    if left < 1:
        return f"{left * 1000:.0f}ms"
    if left < 10:
        return f"{left:.1f}s"
    parts: list[str] = []
    whole = int(left)
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if whole >= size and len(parts) < 2:
            parts.append(f"{whole // size}{unit}")
        whole %= size
    return " ".join(parts)


def plural(count: int, noun: str) -> str:
    """``plural(2, "delivery")`` → ``"2 deliveries"``."""
    if count != 1:
        noun = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{count:,} {noun}"


def size(count: float) -> str:
    """``size(2048)`` → ``"2.0 KB"``."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


class Progress:
    """One line that is drawn over itself on a terminal's stderr, and nothing anywhere else."""

    def __init__(self, title: str, total: int | None) -> None:
        self.title, self.total, self.done = title, total, 0
        self.live = sys.stderr.isatty()
        self._drawn_at = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self._draw()
            sys.stderr.write("\n")

    def to(self, done: int) -> None:
        self.done = done
        if self.live and time.monotonic() - self._drawn_at > 0.1:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        if self.total:
            filled = min(30, 30 * self.done // self.total)
            bar = "█" * filled + "░" * (30 - filled)
            line = f"{self.title} {bar} {self.done:,} of {self.total:,}"
        else:
            line = f"{self.title} {self.done:,}"
        sys.stderr.write(f"\r{line}\x1b[K")
        sys.stderr.flush()
