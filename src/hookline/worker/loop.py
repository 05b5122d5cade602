"""The only loop that delivers: claim, run, settle, in batches, each as soon as the last one returned.

    claiming ──► attempts (a task each) ──► settling
        ▲ a wake-up, the poll,                  │ one commit for all that
        └ a place that became free ◄────────────┘ finished meanwhile

Places bound what runs, destination by destination, so that one that hangs holds only its own. Nothing here needs
cleaning up after a crash: a lease that nobody renews runs out.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from hookline import telemetry
from hookline.destinations.base import Destination, DigestDestination, StoreDestination
from hookline.destinations.hush import hushed
from hookline.errors import Unavailable
from hookline.filters import Filter
from hookline.model import Claim, Event, Outcome, Settlement, State
from hookline.retry import Decision, Jitter, decide
from hookline.store.base import Want
from hookline.worker.alone import Alone, Crash
from hookline.worker.board import Board
from hookline.worker.held import Held, Lease
from hookline.worker.places import Places
from hookline.worker.settings import WorkerSettings
from hookline.worker.settler import Settler

log = structlog.get_logger("hookline.worker")

LINGER = 0.002
"""Seconds to wait for more places to become free before a claim that would bring few."""
DIGEST_AT_ONCE = 100
"""Events in one message."""


class WorkStore(Protocol):
    """What the loop needs of a store."""

    async def claim(self, worker: str, wants: Mapping[str, Want], lease_seconds: float) -> list[Claim]: ...
    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]: ...
    async def left_unknown(self, delivery: int) -> str | None: ...
    async def settle_with(self, settlement: Settlement, act: Callable[[Any], Outcome]) -> Outcome | None: ...
    async def wait_for_work(self, seconds: float) -> bool: ...
    def now(self) -> float: ...


class Worker:
    """One process's share of the work."""

    def __init__(
        self,
        store: WorkStore,
        destinations: Mapping[str, Destination],
        *,
        name: str,
        filters: Mapping[str, Filter] | None = None,
        settings: WorkerSettings | None = None,
        board: Board | None = None,
        alone: Alone | None = None,
        jitter: Jitter = random.random,
    ) -> None:
        """``filters`` are the compiled ``when`` of routes and handlers, by route name. ``alone`` runs what was running
        when a process crashed."""
        self.name = name
        self.settings = settings or WorkerSettings()
        self.held: dict[Lease, Held] = {}
        """By lease; read by the keeper's thread too. A delivery may be here twice: a plain function goes on after its
        lease was lost, and the next one may be ours as well."""
        self.settler = Settler(store.settle, self._under_way, self._settled)
        self._store = store
        self._destinations = dict(destinations)
        self._digests = {
            name: destination
            for name, destination in self._destinations.items()
            if isinstance(destination, DigestDestination) and destination.digest
        }
        self._in_store = {
            name: destination.act
            for name, destination in self._destinations.items()
            if isinstance(destination, StoreDestination) and destination.act is not None
        }
        self._filters = dict(filters or {})
        self._board = board
        self._alone = alone
        self._jitter = jitter
        self._places = Places(self._destinations, self.settings.most)
        self._look = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = asyncio.Event()

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until :meth:`stop`; returns when everything is settled or handed back."""
        settling = asyncio.create_task(self.settler.run())
        listening = asyncio.create_task(self._listen())
        try:
            await self._claim_until_stopped()
        finally:
            listening.cancel()
            await self._drain()
            settling.cancel()
            await asyncio.gather(listening, settling, return_exceptions=True)

    def stop(self) -> None:
        """Claim no more; :meth:`run` returns once what runs has ended, at the latest after ``drain`` seconds."""
        self._stopping.set()
        self._look.set()

    async def step(self) -> int:
        """Claim once, run what came to its end, settle it: how tests move a worker. Returns how many it was."""
        claims = await self._claim()
        await asyncio.gather(*(held.task for held in list(self.held.values()) if held.task is not None))
        while self.settler.waiting:
            await self.settler.settle()
        return len(claims)

    # -- claiming ----------------------------------------------------------------------------------------------------

    async def _claim_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._look.clear()
            try:
                await self._claim()
            except Unavailable as problem:
                log.warning("cannot claim", reason=problem.reason)
                await asyncio.sleep(min(problem.retry_after, 5))
            except Exception:  # a row that cannot be read must not end everybody's work; its lease runs out
                log.exception("claim broke")
                await asyncio.sleep(self.settings.poll)
            await self._look.wait()
            if self._places.is_running() and not self._stopping.is_set():
                await asyncio.sleep(LINGER)

    async def _listen(self) -> None:
        while True:
            try:
                await self._store.wait_for_work(self.settings.poll)
            except Exception:  # nobody may wake us then, but the poll goes on
                log.exception("cannot hear of work")
                await asyncio.sleep(self.settings.poll)
            self._look.set()

    async def _claim(self) -> list[Claim]:
        wants = self.wants()
        if not wants:
            return []
        claims = await self._store.claim(self.name, wants, self.settings.lease)
        counts = dict.fromkeys(wants, 0)
        digests: dict[str, list[Claim]] = {}
        for claim in claims:
            counts[claim.destination] += 1
            if claim.destination in self._digests and not claim.crashes:
                digests.setdefault(claim.destination, []).append(claim)
            else:
                self._start(claim, self._destinations[claim.destination])
        for batch in digests.values():
            self._start_digest(batch)
        self._places.answered(wants, counts)
        return claims

    def wants(self) -> dict[str, Want]:
        """What this worker could take now."""
        return self._places.wants(len(self.held), time.monotonic())

    # -- running -----------------------------------------------------------------------------------------------------

    def _hold(self, claim: Claim, destination: Destination) -> Held:
        held = self.held[claim.delivery, claim.lease] = Held(claim, destination, time.monotonic(), self._store.now())
        self._places.take(held)
        if self._board is not None:
            self._board.mark(claim.delivery, claim.lease)
        return held

    def _start(self, claim: Claim, destination: Destination) -> None:
        held = self._hold(claim, destination)
        if claim.crashes >= self.settings.crashes:
            reason = f"the worker crashed {claim.crashes} times while it ran: it would take the next one with it"
            self.end(held, Outcome(state=State.NEEDS_REVIEW, reason=reason))
            return
        held.task = asyncio.create_task(self._attempt(held))

    async def _attempt(self, held: Held) -> None:
        claim, destination = held.claim, held.destination
        try:
            outcome = await self._refused(claim, destination)
            if outcome is not None:
                self.end(held, outcome)
            elif claim.destination in self._in_store:
                await self._attempt_in_store(held, self._in_store[claim.destination])
            elif self._alone is not None and claim.crashes and claim.crashes >= destination.suspect_after:
                await self._attempt_alone(held, self._alone)
            else:
                self.end(held, await destination.send(claim))
        except Exception as problem:  # a bug of ours: the delivery must not end in silence for it
            self.end(held, _broken(destination, problem))

    async def _refused(self, claim: Claim, destination: Destination) -> Outcome | None:
        """The outcome of a delivery that is not to be tried: its route's ``when`` says no, or it may have been done."""
        if (refused := self._filtered(claim)) is not None:
            return refused
        if destination.policy.on_unknown == "hold" and claim.tries >= claim.attempt:
            lost = await self._store.left_unknown(claim.delivery)
            if lost is not None:
                return Outcome(state=State.NEEDS_REVIEW, reason=f"may have been done: {lost}")
        return None

    async def _attempt_in_store(self, held: Held, act: Callable[[Event, Any], Outcome]) -> None:
        """What the handler writes commits together with the end of its delivery."""
        claim, now = held.claim, self._store.now()
        done = Outcome(state=State.SUCCEEDED)
        decision = Decision(State.SUCCEEDED, "")
        settlement = self._settlement(held, done, decision, now, counted=True)
        try:
            outcome = await self._store.settle_with(settlement, lambda tx: act(claim.event, tx))
        except Exception as problem:  # the store's: nothing was written
            outcome = Outcome(reason=f"not written: {problem}", error=traceback.format_exc(limit=-20))
        if outcome is None:
            self.hand_back(held, "lease lost", now)  # refused by the store; clears our books
        elif outcome.ok:
            telemetry.attempted(claim, outcome, decision, time.monotonic() - held.since)
            self._release(held)
            self._under_way([settlement], -1)
            self._forget(claim)
        else:
            self.end(held, outcome)

    async def _attempt_alone(self, held: Held, alone: Alone) -> None:
        """It was running when a process crashed: try it where it can hurt nobody else."""
        held.elsewhere = True
        if self._board is not None:  # if this process crashes now, it was another's fault
            self._board.clear(held.claim.delivery, held.claim.lease)
        result = await alone(held.claim, held.destination.timeout)
        if isinstance(result, Outcome):
            self.end(held, result)
        else:
            self._crashed(held, result)

    def _crashed(self, held: Held, crash: Crash) -> None:
        if held.ended:
            return
        now, crashes = self._store.now(), held.claim.crashes + 1
        if crashes >= self.settings.crashes:
            decision = Decision(State.NEEDS_REVIEW, f"it crashed {crashes} times: {crash.how}")
        else:
            decision = Decision(State.PENDING, f"crashed: {crash.how}", now + self.settings.crash_pause * 2**crashes)
        outcome = Outcome(reason=crash.how, unknown=True)
        log.error(
            "a delivery crashed its process", destination=held.destination.name, id=held.claim.event.id, how=crash.how
        )
        self._queue(held, outcome, decision, now, counted=False, crashed=True)

    def _filtered(self, claim: Claim) -> Outcome | None:
        """The answer of the route's ``when``, where it says no."""
        wanted = self._filters.get(claim.route)
        clause = wanted.judge(claim.event) if wanted is not None else None
        return None if clause is None else Outcome(state=State.IGNORED, reason=f"when: {clause}")

    def _start_digest(self, claims: Sequence[Claim]) -> None:
        """Events that are told together: each waits for the end of its window, where one message takes them all."""
        destination = self._digests[claims[0].destination]
        assert destination.digest is not None
        due: list[Held] = []
        now = self._store.now()
        for claim in claims:
            window_end = (claim.first_due_at // destination.digest + 1) * destination.digest
            held = self._hold(claim, destination)
            if claim.attempt == 1 and now < window_end:
                self.hand_back(held, "waits for its digest", window_end)
            else:
                due.append(held)
        for first in range(0, len(due), DIGEST_AT_ONCE):
            batch = due[first : first + DIGEST_AT_ONCE]
            task = asyncio.create_task(self._attempt_many(batch, destination))
            for held in batch:
                held.task = task

    async def _attempt_many(self, batch: Sequence[Held], destination: DigestDestination) -> None:
        told = []
        for held in batch:
            try:
                refused = await self._refused(held.claim, destination)
            except Exception as problem:  # as in _attempt
                refused = _broken(destination, problem)
            if refused is not None:
                self.end(held, refused)
            else:
                told.append(held)
        if not told:
            return
        try:
            outcome = await destination.send_many([held.claim for held in told])
        except Exception as problem:  # as in _attempt
            outcome = _broken(destination, problem)
        for held in told:
            self.end(held, outcome)

    # -- ending ------------------------------------------------------------------------------------------------------

    def end(self, held: Held, outcome: Outcome) -> None:
        """An attempt is over: decide what becomes of its delivery, and queue the settlement."""
        if held.ended:
            return
        outcome = hushed(outcome)
        now = self._store.now()
        decision = decide(outcome, held.claim.attempt, held.destination.policy, now, self._jitter)
        telemetry.attempted(held.claim, outcome, decision, time.monotonic() - held.since)
        self._queue(held, outcome, decision, now, counted=True)

    def hand_back(self, held: Held, reason: str, due_at: float) -> None:
        """Give a claim back without using up an attempt."""
        if not held.ended:
            decision = Decision(State.PENDING, reason, due_at)
            self._queue(held, Outcome(reason=reason), decision, self._store.now(), counted=False)

    def _queue(
        self, held: Held, outcome: Outcome, decision: Decision, now: float, *, counted: bool, crashed: bool = False
    ) -> None:
        self._release(held)
        settlement = self._settlement(held, outcome, decision, now, counted=counted, crashed=crashed)
        # somebody may wait for it: a stop, the next of its ordering key, a destination at its limit
        awaited = held.claim.ordering_key is not None or held.destination.limits.concurrency is not None
        self.settler.put(settlement, at_once=awaited or self._stopping.is_set())

    def _release(self, held: Held) -> None:
        """Its place is free."""
        held.ended = True
        if self._board is not None:
            self._board.clear(held.claim.delivery, held.claim.lease)
        if self._places.free(held):
            self._look.set()

    @staticmethod
    def _settlement(
        held: Held, outcome: Outcome, decision: Decision, now: float, *, counted: bool, crashed: bool = False
    ) -> Settlement:
        return Settlement(
            claim=held.claim,
            outcome=outcome,
            state=decision.state,
            reason=decision.reason,
            started_at=held.started_at,
            finished_at=now,
            due_at=decision.due_at,
            counted=counted,
            crashed=crashed,
        )

    def _under_way(self, batch: Iterable[Settlement], change: int) -> None:
        if self._places.under_way(batch, change):
            self._look.set()

    def _settled(self, settlement: Settlement, ok: bool) -> None:
        claim = settlement.claim
        self._forget(claim)
        if not ok:
            log.warning("lease lost", destination=claim.destination, id=claim.event.id, would=settlement.reason)

    def _forget(self, claim: Claim) -> None:
        self.held.pop((claim.delivery, claim.lease), None)
        if not self.held:
            self._idle.set()

    # -- stopping ----------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Let what runs come to its end; after ``drain`` seconds hand it back."""
        try:
            async with asyncio.timeout(self.settings.drain):
                await self._until_idle()
        except TimeoutError:
            await self._give_up_running()

    async def _until_idle(self) -> None:
        self.settler.hurry()
        while self.held:
            self._idle.clear()
            await self._idle.wait()

    async def _give_up_running(self) -> None:
        left = [held for held in self.held.values() if not held.ended]
        log.warning("handing back what still runs", count=len(left), after=self.settings.drain)
        for held in left:
            if held.task is not None and held.destination.interruptible:
                held.task.cancel()
        for held in left:
            self.interrupt(held, "the worker was stopped")
        try:
            async with asyncio.timeout(5):
                await self._until_idle()
        except TimeoutError:
            log.warning("not settled", count=len(self.held))

    def interrupt_lost(self, held: Held) -> None:
        """Somebody else has the lease: whatever this attempt still does is done twice, so let it do no more."""
        log.warning("lease lost", destination=held.destination.name, id=held.claim.event.id)
        if held.task is not None and held.destination.interruptible and not held.ended:
            held.task.cancel()
            self.hand_back(held, "lease lost", self._store.now())  # refused by the store; clears our books

    def leave(self) -> None:
        """An orderly end of the process: nothing here crashed."""
        if self._board is not None:
            self._board.close()
            self._board = None

    def interrupt(self, held: Held, reason: str) -> None:
        """Hand back an attempt that had begun. Whether it had its effect nobody knows: who said ``hold`` gets to look.
        A plain function goes on until its process ends, so its delivery waits a moment longer."""
        if held.destination.policy.on_unknown == "hold":
            self.end(held, Outcome(reason=reason, unknown=True))
        else:
            self.hand_back(held, reason, self._store.now() + (0.0 if held.destination.interruptible else 5.0))


def _broken(destination: Destination, problem: Exception) -> Outcome:
    log.exception("attempt broke", destination=destination.name)
    return Outcome(reason=f"internal error: {type(problem).__name__}", error=traceback.format_exc(limit=-20))
