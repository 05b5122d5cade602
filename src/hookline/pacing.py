"""How much a destination can take now: concurrency, rate and a breaker. Pure: rows in, rows and numbers out.

One :class:`Pace` belongs to a destination of the installation, in its row of the store: ``claim`` asks :func:`room`
and writes back what :func:`take` returns, ``settle`` writes back what :func:`learn` returns. Nothing here is kept per
process, so the limits hold however many workers there are.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

WINDOW = 300.0
"""Seconds over which failures are counted."""
PIECES = 5
"""The window moves on in this many pieces."""
FEWEST = 10
"""Attempts in the window before the breaker may judge."""
SHARE = 0.7
"""Failures among them that open it."""
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 900.0
"""Seconds that an open breaker waits for its next probe: doubled after each failed probe."""
RAMP_STEP = 10.0
"""Seconds after which a recovering destination may be given twice as much."""
RAMP_START = 2
RAMP_END = 64
"""Open claims at which a recovering destination counts as recovered."""


class Phase(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """One probe is out."""
    RAMP = "ramp"
    """The probe came back well: a little more every ten seconds, so that a backlog does not knock it over again."""


class Judge(msgspec.Struct, frozen=True, array_like=True):
    """When the breaker opens, and for how long."""

    share: float = SHARE
    least: int = FEWEST
    window: float = WINDOW
    pause: float = FIRST_PAUSE


class Pace(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a destination. Serialises as a short JSON array; new fields go to the end."""

    phase: Phase = Phase.CLOSED
    since: float = 0.0
    """Unix seconds of the last change of phase."""
    pauses: int = 0
    """Times that the breaker opened in a row."""
    counts: tuple[tuple[int, int, int], ...] = ()
    """The window: (piece number, good, bad), oldest first."""
    tokens: float | None = None
    """Left in the bucket at ``filled_at``; None for a full one."""
    filled_at: float = 0.0
    probe_at: float = 0.0
    """When the probe went out; one that never came back is replaced after its destination's pause."""
    judge: Judge | None = None
    """What the last worker that claimed was told to judge by: whoever settles judges by the same."""


class Limits(msgspec.Struct, frozen=True):
    """What the configuration says."""

    concurrency: int | None = None
    rate: float | None = None
    """Attempts a second."""
    burst: float | None = None
    """Attempts that may come at once; None for one second's worth, at least one."""
    breaker: bool = True
    judge: Judge = Judge()


def room(pace: Pace, limits: Limits, open_claims: int, now: float) -> int | None:
    """How many more attempts may start now; None for no limit of the installation's."""
    places: list[int] = []
    if limits.concurrency is not None:
        places.append(limits.concurrency - open_claims)
    if limits.rate is not None:
        places.append(int(_filled(pace, limits, now)))
    if limits.breaker:
        if pace.phase is Phase.OPEN:
            places.append(1 if now >= pace.since + pause(pace) else 0)
        elif pace.phase is Phase.HALF_OPEN:
            places.append(1 if now >= pace.probe_at + max(pause(pace), 60.0) else 0)
        elif pace.phase is Phase.RAMP:
            places.append(_ramp(pace, now) - open_claims)
    return max(0, min(places)) if places else None


def take(pace: Pace, limits: Limits, taken: int, now: float) -> Pace:
    """The row after ``taken`` claims (at most what :func:`room` said)."""
    if not taken:
        return pace
    if limits.breaker and (pace.judge or Judge()) != limits.judge:
        pace = msgspec.structs.replace(pace, judge=limits.judge, counts=())
    if limits.rate is not None:
        pace = msgspec.structs.replace(pace, tokens=_filled(pace, limits, now) - taken, filled_at=now)
    if limits.breaker and pace.phase in (Phase.OPEN, Phase.HALF_OPEN):
        pace = msgspec.structs.replace(pace, phase=Phase.HALF_OPEN, probe_at=now)
    return pace


def learn(pace: Pace, good: int, bad: int, now: float) -> Pace:
    """The row after attempts ended. ``bad`` are those that say something about the destination: it did not answer, or
    answered that it cannot; a handler that ignores an event or wants it reviewed is well."""
    if not good and not bad:
        return pace
    if pace.phase is Phase.HALF_OPEN:
        return _opened(pace, now) if bad else _moved(pace, Phase.RAMP, now, pauses=pace.pauses)
    judge = pace.judge or Judge()
    counts = _counted(pace.counts, good, bad, now, judge.window)
    pace = msgspec.structs.replace(pace, counts=counts)
    if pace.phase is Phase.OPEN:  # stragglers that were out when it opened
        return pace
    total = sum(entry[1] + entry[2] for entry in counts)
    failed = sum(entry[2] for entry in counts)
    if total >= judge.least and failed >= judge.share * total:
        return _opened(pace, now)
    if pace.phase is Phase.RAMP and _ramp(pace, now) >= RAMP_END:
        return _moved(pace, Phase.CLOSED, now, counts=counts)
    return pace


def next_chance(pace: Pace, limits: Limits, now: float) -> float | None:
    """Unix seconds at which :func:`room` will say more than now, where only time is waited for; else None."""
    if limits.breaker and pace.phase is Phase.OPEN:
        return pace.since + pause(pace)
    if limits.breaker and pace.phase is Phase.HALF_OPEN:
        return pace.probe_at + max(pause(pace), 60.0)
    if limits.rate is not None and (tokens := _filled(pace, limits, now)) < 1:
        return now + (1 - tokens) / limits.rate
    return None


def pause(pace: Pace) -> float:
    """Seconds that the breaker waits for its next probe."""
    first = (pace.judge or Judge()).pause
    return min(max(LONGEST_PAUSE, first), first * 2.0 ** min(max(pace.pauses - 1, 0), 10))


def closed(pace: Pace, now: float) -> Pace:
    """Somebody says that it is well again: forget the failures, try at once."""
    return _moved(pace, Phase.CLOSED, now)


def _opened(pace: Pace, now: float) -> Pace:
    return _moved(pace, Phase.OPEN, now, pauses=pace.pauses + 1)


def _moved(
    pace: Pace, phase: Phase, now: float, *, pauses: int = 0, counts: tuple[tuple[int, int, int], ...] = ()
) -> Pace:
    return msgspec.structs.replace(pace, phase=phase, since=now, pauses=pauses, counts=counts)


def _counted(
    counts: tuple[tuple[int, int, int], ...], good: int, bad: int, now: float, window: float
) -> tuple[tuple[int, int, int], ...]:
    piece = int(now * PIECES / window)
    kept = [entry for entry in counts if entry[0] > piece - PIECES]
    if kept and kept[-1][0] >= piece:  # also after a clock that stepped back
        last = kept.pop()
        return (*kept, (last[0], last[1] + good, last[2] + bad))
    return (*kept, (piece, good, bad))


def _filled(pace: Pace, limits: Limits, now: float) -> float:
    assert limits.rate is not None
    size = limits.burst if limits.burst is not None else max(1.0, limits.rate)
    if pace.tokens is None:
        return size
    return min(size, pace.tokens + max(0.0, now - pace.filled_at) * limits.rate)


def _ramp(pace: Pace, now: float) -> int:
    steps = int(max(0.0, now - pace.since) / RAMP_STEP)
    return RAMP_END if steps > 10 else min(RAMP_END, RAMP_START * 2**steps)
