"""When to try again: pure, with the time and chance as arguments."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hookline.model import Outcome, State

Jitter = Callable[[], float]
"""Returns a number in [0, 1)."""

DEFAULT_SCHEDULE = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)

SHORTEST_AFTER_OVERLOAD = 60.0
"""Seconds: an endpoint that timed out or answered 429 has too much to do already."""
LONGEST_WAIT = 86_400.0
"""Seconds: what an endpoint may ask for with ``Retry-After``, and the end of every clamp."""


class Policy(msgspec.Struct, frozen=True):
    """How long to wait after each failure, in seconds; after the last the delivery is ``failed``."""

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    jitter: float = 0.2
    """Each wait is multiplied by 1 ± jitter."""
    on_unknown: str = "retry"
    """``hold``: an attempt that may have had its effect is not repeated by itself but ``needs_review``."""
    trusting: bool = False
    """True takes ``retry_after`` as it is (our own handlers); a stranger's is clamped to the schedule."""


class Decision(msgspec.Struct, frozen=True):
    """Where a delivery goes after an attempt."""

    state: State
    reason: str
    due_at: float | None = None


def decide(outcome: Outcome, attempt: int, policy: Policy, now: float, jitter: Jitter) -> Decision:
    """Success, a final state, or the time of the next attempt. ``attempt`` counts from 1."""
    if outcome.state is not None and outcome.state is not State.PENDING:
        return Decision(outcome.state, outcome.reason)
    if outcome.code == 410:
        return Decision(State.FAILED, outcome.reason or "410 Gone: the endpoint asked not to be called again")
    if outcome.unknown and policy.on_unknown == "hold":
        return Decision(State.NEEDS_REVIEW, f"may have been done: {outcome.reason}")
    if not 1 <= attempt <= len(policy.schedule):
        tries = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return Decision(State.FAILED, f"gave up after {tries}: {outcome.reason}")
    return Decision(State.PENDING, outcome.reason, now + wait(outcome, attempt, policy, jitter))


def wait(outcome: Outcome, attempt: int, policy: Policy, jitter: Jitter) -> float:
    """Seconds until the next attempt.

    A stranger's ``Retry-After`` counts between our own wait and twice that (or an hour, where that is longer), as
    Svix does: one header must neither hammer an endpoint nor park a delivery for a year.
    """
    if policy.trusting and outcome.retry_after is not None:
        return min(max(outcome.retry_after, 0.0), LONGEST_WAIT * 30)
    seconds = policy.schedule[attempt - 1] * (1 + policy.jitter * (2 * jitter() - 1))
    if outcome.code == 429 or outcome.timed_out:
        seconds = max(seconds, SHORTEST_AFTER_OVERLOAD)
    if outcome.retry_after is not None:
        longest = max(seconds, min(max(2 * seconds, 3_600.0), LONGEST_WAIT))
        seconds = min(max(outcome.retry_after, seconds), longest)
    return seconds
