"""Python handlers: what ``@hooks.on`` makes of a function, and the outcomes that a handler can return or raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hookline.config.kinds import read_duration
from hookline.model import Outcome, State


class HandlerOutcome(Exception):
    """What a handler says of an event other than "done". May be returned or raised, with a reason in plain words."""

    state: State | None = None

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason

    def outcome(self) -> Outcome:
        """The same as the worker's value."""
        return Outcome(state=self.state, reason=self.reason or self.__class__.__name__)


class Ignore(HandlerOutcome):
    """Not for us: the delivery ends as ``ignored``, and nothing is tried again."""

    state = State.IGNORED


class Fail(HandlerOutcome):
    """It can never work: the delivery ends as ``failed`` without further attempts."""

    state = State.FAILED


class NeedsReview(HandlerOutcome):
    """A person must look before anything else happens to this event."""

    state = State.NEEDS_REVIEW


class Retry(HandlerOutcome):
    """Try again: at the next time of the schedule, or ``after`` seconds (or ``"5m"``) if given.

    :raises ValueError: for an ``after`` that is no duration.
    """

    def __init__(self, reason: str = "", *, after: float | str | None = None) -> None:
        super().__init__(reason)
        self.after = read_duration(after) if after is not None else None

    def outcome(self) -> Outcome:
        return Outcome(state=None, reason=self.reason or "the handler asked for a retry", retry_after=self.after)


def outcome_of(result: object) -> Outcome:
    """What a handler returned or raised, as the worker's value. Anything but an outcome or None counts as done:
    a handler may return what it likes to its tests."""
    if isinstance(result, type) and issubclass(result, HandlerOutcome):
        result = result()
    if isinstance(result, HandlerOutcome):
        return result.outcome()
    return Outcome(state=State.SUCCEEDED)


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """A function, the events that it wants, and how it wants to be called."""

    name: str
    """``module.function``, or what ``name=`` said: the name of its destination."""
    function: Callable[..., Any]
    is_async: bool
    source: str
    """A source name or pattern (``stripe*``), never a provider."""
    types: tuple[str, ...] = ()
    """Event types or patterns (``invoice.*``); none means all."""
    ordering_key: str | None = None
    """A path into the event (``body.customer``): events with the same value run one after the other."""
    timeout: float | None = None
    """Seconds for one attempt; None for the ``delivery.timeout`` setting."""
    schedule: tuple[float, ...] | None = None
    """Seconds to wait after each failure; None for the ``delivery.schedule`` setting."""
    concurrency: int | None = None
    """How many may run at once, in all workers together."""
    when: dict[str, Any] | None = None
    """A JSON match over the event, as in a route."""
    environment: str | None = None
    """None for ``server.environment``."""
    transaction: Any = None
    """What the handler's writes commit with; its second argument is then the transaction."""
    place: str = ""
    """``app.py:12``: where people find it."""
