"""Figures, what they should be, and the page that shows them (RESULTS.md)."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench import machine

PAGE = Path(__file__).parent / "RESULTS.md"
KEPT = machine.WORK / "results.json"


class Figure(msgspec.Struct):
    """One measured thing: a value a round."""

    name: str
    unit: str
    values: list[float]
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def good(self) -> bool | None:
        """Whether the median is where it should be; None where nothing is asked."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or self.median >= self.at_least) and (
            self.at_most is None or self.median <= self.at_most
        )


class Result(msgspec.Struct):
    """One bench, run once: its figures and the circumstances."""

    name: str
    about: str
    command: str
    when: str
    machine: str
    commit: str
    others: list[float]
    """Cores that others used just before and just after."""
    seconds: float
    figures: list[Figure] = []


class Run:
    """What a bench is given: how long and how often to measure, and where to put figures."""

    def __init__(self, rounds: int, seconds: float, scale: float) -> None:
        self.rounds = rounds
        self.seconds = seconds
        self.scale = scale
        """What amounts (a backlog, stored events) are multiplied by: 1 is what the figures are asked for."""
        self.figures: list[Figure] = []

    def figure(
        self,
        name: str,
        values: Sequence[float],
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        note: str = "",
    ) -> None:
        figure = Figure(name, unit, list(values), at_least, at_most, note)
        self.figures.append(figure)
        print("  " + line(figure), flush=True)

    def amount(self, count: int) -> int:
        return max(1, int(count * self.scale))


Bench = Callable[[Run], None]
BENCHES: dict[str, Bench] = {}


def bench(name: str) -> Callable[[Bench], Bench]:
    """Register a bench; the first line of its docstring says what it measures."""

    def register(function: Bench) -> Bench:
        BENCHES[name] = function
        return function

    return register


def perform(name: str, run: Run) -> Result:
    """Run one bench and say under which circumstances."""
    function = BENCHES[name]
    about = (function.__doc__ or "").strip()
    print(f"\n{name}: {about.splitlines()[0]}", flush=True)
    before, started = machine.idle_cores(), time.time()
    function(run)
    return Result(
        name=name,
        about=about,
        command=f"python -m bench {' '.join(sys.argv[1:])}",
        when=time.strftime("%Y-%m-%d %H:%M", time.gmtime(started)) + " UTC",
        machine=machine.describe(),
        commit=machine.commit(),
        others=[before, machine.idle_cores()],
        seconds=time.time() - started,
        figures=run.figures,
    )


def number(value: float) -> str:
    """Three digits are what such figures are good for."""
    if value != value:  # NaN
        return "-"
    if abs(value) >= 1000:
        return f"{round(value, -1 if abs(value) < 10_000 else -2):,.0f}"
    return f"{value:.3g}"


def line(figure: Figure) -> str:
    low, high = min(figure.values), max(figure.values)
    spread = f" [{number(low)} to {number(high)}]" if len(figure.values) > 1 else ""
    verdict = {None: "", True: "  ok", False: "  MISSED"}[figure.good]
    return f"{figure.name}: {number(figure.median)} {figure.unit}{spread}{asked(figure)}{verdict}"


def asked(figure: Figure) -> str:
    if figure.at_least is not None:
        return f" (at least {number(figure.at_least)})"
    return f" (at most {number(figure.at_most)})" if figure.at_most is not None else ""


def keep(results: Sequence[Result]) -> None:
    """Put results beside those of earlier runs and write the page anew."""
    machine.WORK.mkdir(exist_ok=True)
    kept: dict[str, Any] = json.loads(KEPT.read_bytes()) if KEPT.exists() else {}
    kept |= {result.name: msgspec.to_builtins(result) for result in results}
    temporary = KEPT.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(kept, indent=1))
    temporary.replace(KEPT)
    PAGE.write_text(page([msgspec.convert(kept[name], Result) for name in BENCHES if name in kept]))


def page(results: Sequence[Result]) -> str:
    parts = [
        "# How fast, how small, how steady\n",
        "Written by `python -m bench`. Medians, in brackets the spread over the rounds; servers of one comparison take"
        " turns round by round. Everything runs on one machine, load generator included, so read the ratios: absolute"
        " figures are this machine's. `bench/install-peers.sh` installs what Hookline is compared with.\n",
    ]
    for result in results:
        busy = ", ".join(f"{cores:.2f}" for cores in result.others)
        parts += [
            f"## {result.name}\n",
            result.about.replace("\n    ", "\n") + "\n",
            f"`{result.command}` · {result.when} · commit {result.commit} · {result.machine} ·"
            f" cores used by others before and after: {busy}\n",
            "| | median | spread | asked | |\n|---|---:|---|---|---|",
        ]
        for figure in result.figures:
            spread = f"{number(min(figure.values))} to {number(max(figure.values))}" if len(figure.values) > 1 else ""
            verdict = {None: "", True: "ok", False: "**missed**"}[figure.good]
            parts.append(
                f"| {figure.name} | {number(figure.median)} {figure.unit} | {spread} |{asked(figure).strip(' ()')} |"
                f" {' '.join(filter(None, (verdict, figure.note)))} |"
            )
        parts.append("")
    return "\n".join(parts)
