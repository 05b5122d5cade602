"""The thread that keeps leases alive while handlers keep the loop busy, and ends a process that cannot be helped.

A plain function cannot be interrupted, and a coroutine may compute for ever or swallow its cancellation. Past twice its
timeout nobody believes in it any more: everything else that runs here gets a moment to finish, what is left is handed
back, and the process asks to be replaced.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from hookline.destinations.python import too_late
from hookline.errors import Unavailable
from hookline.model import Settlement
from hookline.worker.held import Held
from hookline.worker.loop import Worker

log = structlog.get_logger("hookline.worker")

REPLACE_ME = 75
"""EX_TEMPFAIL: the exit code by which a supervisor knows that this is no failure of ours."""
TICK = 1.0
PATIENCE = 10.0
"""Seconds for the others to finish, once one is given up."""


class KeeperStore(Protocol):
    """What the thread needs of a store: ``renew_now`` uses a connection of its own."""

    def renew_now(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]: ...
    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]: ...


class Keeper:
    """Start it beside the worker's loop."""

    def __init__(
        self,
        worker: Worker,
        store: KeeperStore,
        loop: asyncio.AbstractEventLoop,
        *,
        exit: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker = worker
        self._store = store
        self._loop = loop
        self._exit = exit
        self._clock = clock
        self._renewed_at = clock()
        self._given_up_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hookline-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(TICK):
            try:
                self.tick()
            except Unavailable as problem:
                log.warning("leases not renewed", reason=problem.reason)
            except Exception:  # whatever it is, the next tick tries again: leases outlast three of them
                log.exception("keeper broke")

    def tick(self) -> None:
        """Renew what is due for it, and look for what is past help."""
        now = self._clock()
        if now - self._renewed_at >= self._worker.settings.renew:
            self.renew(now)
        hopeless = [held for held in list(self._worker.held.values()) if held.overdue(now, 2)]
        if hopeless or self._given_up_at is not None:
            self._give_up(hopeless, now)

    def renew(self, now: float) -> None:
        """Prolong what we hold, up to twice its timeout; what is somebody else's by now is interrupted."""
        self._renewed_at = now
        held = [each for each in list(self._worker.held.values()) if not each.lost and not each.overdue(now, 2)]
        if not held:
            return
        claims = [(each.claim.delivery, each.claim.lease) for each in held]
        kept = self._store.renew_now(claims, self._worker.settings.lease)
        for each, ok in zip(held, kept, strict=True):
            if not ok and not each.ended:
                each.lost = True
                self._tell_loop(self._worker.interrupt_lost, each)

    def _give_up(self, hopeless: Sequence[Held], now: float) -> None:
        if self._given_up_at is None:
            self._given_up_at = now
            names = sorted({held.destination.name for held in hopeless})
            log.error("still running after twice its timeout: this process will be replaced", destinations=names)
            self._tell_loop(self._worker.stop)
        others = [held for held in list(self._worker.held.values()) if held not in hopeless]
        if others and now - self._given_up_at < PATIENCE:
            return
        self._settle(hopeless, others)
        self._worker.leave()
        self._exit(REPLACE_ME)

    def _settle(self, hopeless: Sequence[Held], others: Sequence[Held]) -> None:
        """Settle for the loop, which may be stuck: the hopeless as timed out, the others as not tried."""
        for held in hopeless:
            self._worker.end(held, too_late(held.destination.timeout))
        for held in others:
            self._worker.interrupt(held, "its process had to be replaced")
        left = self._worker.settler.take_all()
        if left:
            try:
                asyncio.run(self._store.settle(left))
            except Exception:  # their leases run out by themselves
                log.exception("not settled", count=len(left))

    def _tell_loop(self, function: Callable[..., object], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # it is closed: there is nobody to tell
            return
