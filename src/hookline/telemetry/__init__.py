"""Metrics, and one wide line per request and per attempt, from the same call, so that they cannot disagree.

The calls here are made ten thousand times a second: they add to counters in memory and put a tuple aside. A thread
writes the lines a moment later, within a budget a second; what is over it is counted in one line, never silently lost.
Names and numbers of ours only: no payload, no header, no secret.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from hookline import ids
from hookline.model import Claim, Outcome, State
from hookline.retry import Decision
from hookline.telemetry.counters import Counters
from hookline.telemetry.lines import Lines, Value
from hookline.telemetry.logs import configure, configure_for_guests, scrub

__all__ = ["attempted", "configure", "configure_for_guests", "counters", "flush", "quiet", "requested", "scrub"]

counters = Counters()
"""Of this process."""
_lines = Lines()

_FINE = frozenset({"accepted", "duplicate", "challenge", "succeeded", "ignored"})


def requested(
    source: str | None,
    outcome: str,
    reason: str,
    status: int,
    took: float,
    size: int,
    *,
    peer: str = "",
    type: str = "",
    events: Sequence[int] = (),
) -> None:
    """A request was answered. ``source`` is None for a path that nobody has, ``reason`` one phrase of the fixed
    vocabulary (empty when accepted), ``took`` seconds from the last byte in to the first byte out, ``size`` bytes of
    body, ``type`` the (cleaned) type of its first event."""
    name = source or ""
    counters.add("requests", (name, outcome, reason))
    counters.observe("request_seconds", (name,), took)
    counters.add("request_bytes", (name,), size)
    if not _lines.room(outcome in _FINE, ("request", name, outcome)):
        return
    line: dict[str, Value] = {"message": "request", "source": source, "outcome": outcome, "status": status}
    line |= {"reason": reason, "type": type, "ms": round(took * 1000, 2), "size": size, "peer": peer}
    if events:
        line["ids"] = [ids.show("evt", number) for number in events]
    _lines.put(time.time(), "info" if outcome in _FINE else "warning", line)


def attempted(claim: Claim, outcome: Outcome, decision: Decision, took: float) -> None:
    """An attempt came to an end. ``took`` is seconds."""
    state = str(decision.state)
    result = "retry" if decision.state is State.PENDING else state
    counters.add("attempts", (claim.destination, result))
    counters.observe("attempt_seconds", (claim.destination,), took)
    if not _lines.room(result in _FINE, ("attempt", claim.destination, result)):
        return
    line: dict[str, Value] = {"message": "attempt", "destination": claim.destination, "state": state}
    line |= {"reason": decision.reason, "code": outcome.code, "ms": round(took * 1000, 2), "attempt": claim.attempt}
    line |= {"trigger": str(claim.trigger), "source": claim.event.source, "type": claim.event.type}
    line |= {"id": claim.event.id, "delivery": ids.show("dlv", claim.delivery)}
    if decision.due_at is not None:
        line["again_in"] = round(decision.due_at - time.time(), 1)
    _lines.put(time.time(), "info" if result in _FINE else "warning", line)


def flush() -> None:
    """Write what waits now: before the process ends."""
    _lines.flush(time.monotonic())


def quiet(really: bool = True) -> None:
    """Write no wide lines in this process (short commands, tests), or write them again."""
    _lines.enabled = not really
