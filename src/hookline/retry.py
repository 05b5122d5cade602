"""When to try again: pure, with the time and chance as arguments."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hookline.model import Outcome, State

Jitter = Callable[[], float]
"""Returns a number in [0, 1)."""

DEFAULT_SCHEDULE = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)


class Policy(msgspec.Struct, frozen=True):
    """How long to wait after each failure, in seconds; after the last the delivery is ``failed``."""

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    jitter: float = 0.2
    """Each wait is multiplied by 1 ± jitter."""


class Decision(msgspec.Struct, frozen=True):
    """Where a delivery goes after an attempt."""

    state: State
    reason: str
    due_at: float | None = None


def decide(outcome: Outcome, attempt: int, policy: Policy, now: float, jitter: Jitter) -> Decision:
    """Success, a final state, or the time of the next attempt. ``attempt`` counts from 1."""
    raise NotImplementedError
