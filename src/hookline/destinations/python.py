"""A Python handler as a destination: coroutine functions in the loop, plain functions in threads."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from hookline.destinations.threads import Threads
from hookline.destinations.transaction import DONE, Begin, BeginAsync, begin
from hookline.errors import ConfigError
from hookline.handlers import Handler, HandlerOutcome, outcome_of
from hookline.model import Claim, Event, Outcome, State
from hookline.pacing import Limits
from hookline.payload import clean
from hookline.retry import Policy

ASYNC_PLACES = 128
PLAIN_PLACES = 8
"""How many attempts of one handler a process runs at once, where nobody said."""
MAX_TRACEBACK = 16_384

DONE_BEFORE = Outcome(state=State.SUCCEEDED, reason="done before: an earlier attempt had committed")

_OURS = __file__


class PythonDestination:
    """Calls a handler with the event. What it returns or raises is the outcome; any other exception is retried."""

    suspect_after = 1

    def __init__(
        self,
        handler: Handler,
        *,
        timeout: float,
        policy: Policy,
        threads: Threads,
        scrub: Callable[[str], str] = str,
    ) -> None:
        """``scrub`` takes known secrets out of a traceback. ConfigError for a ``transaction`` that is none."""
        self.name = handler.name
        self.policy = policy
        self.timeout = timeout
        self.limits = Limits(concurrency=handler.concurrency, breaker=False)
        self.interruptible = handler.is_async
        default = ASYNC_PLACES if handler.is_async else PLAIN_PLACES
        self.places = default if handler.concurrency is None else handler.concurrency
        self.send = self._send_async if handler.is_async else self._send_plain
        self._function = handler.function
        self.act: Callable[[Event, Any], Outcome] | None = None
        if handler.transaction == "store":
            if handler.is_async:
                raise ConfigError('transaction="store" is for plain functions: it holds a lock that the door needs')
            self.act = self._act
        elif handler.transaction is not None:
            opened = begin(handler.transaction, is_async=handler.is_async)
            self._function = (_within_async if handler.is_async else _within)(opened, handler.function)
        self._threads = threads
        self._scrub = scrub

    async def _send_async(self, claim: Claim) -> Outcome:
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                return _as_outcome(await self._function(claim.event))
        except HandlerOutcome as answer:
            return answer.outcome()
        except TimeoutError as problem:
            if limit.expired():
                return too_late(self.timeout)
            return self._failed(problem)
        except asyncio.CancelledError as problem:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._failed(problem)  # the handler cancelled itself: an error like any other
        except BaseException as problem:  # also sys.exit: a handler must not end the worker
            return self._failed(problem)

    async def _send_plain(self, claim: Claim) -> Outcome:
        return await self._threads.run(self._call, claim.event)

    def _call(self, event: Event) -> Outcome:
        try:
            return _as_outcome(self._function(event))
        except HandlerOutcome as answer:
            return answer.outcome()
        except BaseException as problem:  # sys.exit in a handler must not take a thread away in silence
            return self._failed(problem)

    def _act(self, event: Event, tx: Any) -> Outcome:
        """One attempt within the store's own transaction."""
        try:
            return _as_outcome(self._function(event, tx))
        except HandlerOutcome as answer:
            return answer.outcome()
        except BaseException as problem:  # as in _call
            return self._failed(problem)

    def _failed(self, problem: BaseException) -> Outcome:
        lines = str(problem).strip().splitlines()
        reason = clean(f"{type(problem).__name__}: {lines[0]}" if lines else type(problem).__name__)
        return Outcome(reason=self._scrub(reason), error=self._scrub(_trace(problem)))

    async def close(self) -> None:
        return None


def _as_outcome(result: object) -> Outcome:
    return result if isinstance(result, Outcome) else outcome_of(result)


class _RollBack(Exception):
    """Carries an outcome other than success out of a transaction, which it undoes."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def _within(open: Any, function: Callable[..., Any]) -> Callable[[Event], Outcome]:
    """``function`` in a transaction of its own, once for each idempotency key."""
    start: Begin = open

    def call(event: Event) -> Outcome:
        try:
            with start(event.idempotency_key) as tx:
                return DONE_BEFORE if tx is DONE else _or_roll_back(function(event, tx))
        except _RollBack as undone:
            return undone.outcome

    return call


def _within_async(open: Any, function: Callable[..., Any]) -> Callable[[Event], Any]:
    start: BeginAsync = open

    async def call(event: Event) -> Outcome:
        try:
            async with start(event.idempotency_key) as tx:
                return DONE_BEFORE if tx is DONE else _or_roll_back(await function(event, tx))
        except _RollBack as undone:
            return undone.outcome

    return call


def _or_roll_back(result: object) -> Outcome:
    outcome = outcome_of(result)
    if not outcome.ok:
        raise _RollBack(outcome)
    return outcome


def too_late(seconds: float) -> Outcome:
    """The outcome of a handler that had its time: what it did until then may have had its effect."""
    return Outcome(reason=f"not done within {seconds:g} s", timed_out=True, unknown=True)


def _trace(problem: BaseException) -> str:
    """The traceback from the handler's own frame on. Frames are code, never the values of variables."""
    trace: TracebackType | None = problem.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == _OURS and trace.tb_next is not None:
        trace = trace.tb_next
    lines: Any = traceback.TracebackException(type(problem), problem, trace, limit=-30, compact=True).format()
    text = "".join(lines)
    return text if len(text) <= MAX_TRACEBACK else "…" + text[-MAX_TRACEBACK:]
