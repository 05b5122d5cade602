"""Hands settlements to the store, in batches: everything that finished meanwhile shares one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from hookline.errors import Unavailable
from hookline.model import Settlement

log = structlog.get_logger("hookline.worker")

LINGER = 0.003
"""Seconds for others to finish before a settlement of few: at a trickle, every event would otherwise cost a commit of
its own, and the door queues behind each."""
AT_ONCE = 256
"""Settlements in one transaction: the door waits for it."""
LONGEST_PAUSE = 5.0
"""Seconds between two tries while the store cannot take them."""

Settle = Callable[[Sequence[Settlement]], Awaitable[list[bool]]]


class Settler:
    """``put`` what finished; ``run`` brings it to the store."""

    def __init__(
        self,
        settle: Settle,
        under_way: Callable[[Sequence[Settlement], int], None],
        settled: Callable[[Settlement, bool], None],
    ) -> None:
        """``under_way`` hears of a batch before it goes (-1) and when it has to come back (+1), ``settled`` of each
        settlement that is written, or whose lease was lost (False)."""
        self.waiting: list[Settlement] = []
        self._settle = settle
        self._under_way = under_way
        self._settled = settled
        self._something = asyncio.Event()
        self._at_once = False
        self._hurried = False

    def put(self, settlement: Settlement, *, at_once: bool) -> None:
        """``at_once`` where somebody waits for it."""
        self.waiting.append(settlement)
        self._at_once = self._at_once or at_once
        self._something.set()

    def hurry(self) -> None:
        """Linger no more: the process is about to end."""
        self._hurried = True

    def take_all(self) -> list[Settlement]:
        """What waits, for somebody who settles it elsewhere."""
        taken, self.waiting = self.waiting, []
        return taken

    async def run(self) -> None:
        """For ever. A store that cannot take anything now is asked again; the leases are kept meanwhile."""
        while True:
            await self._something.wait()
            self._something.clear()
            if not (self._at_once or self._hurried or len(self.waiting) >= AT_ONCE):
                await asyncio.sleep(LINGER)
            self._at_once = False
            pause = 0.1
            while self.waiting:
                try:
                    await self.settle()
                    pause = 0.1
                except Unavailable as problem:
                    log.warning("cannot settle", reason=problem.reason, waiting=len(self.waiting))
                    await asyncio.sleep(pause)
                    pause = min(LONGEST_PAUSE, pause * 2)

    async def settle(self) -> None:
        """One batch. :raises Unavailable: if nothing of it was written."""
        batch = self.waiting[:AT_ONCE]
        self._under_way(batch, -1)
        try:
            kept = await self._settle(batch)
        except Unavailable:
            self._under_way(batch, +1)
            raise
        except Exception:
            log.exception("settlements broke", count=len(batch))
            kept = await self._one_by_one(batch)
        del self.waiting[: len(batch)]
        for settlement, ok in zip(batch, kept, strict=True):
            self._settled(settlement, ok)

    async def _one_by_one(self, batch: Sequence[Settlement]) -> list[bool]:
        """One that the store cannot take must not hold up the others; its own lease runs out."""
        kept = []
        for settlement in batch:
            try:
                kept += await self._settle([settlement])
            except Exception:
                log.exception("settlement broke", delivery=settlement.claim.delivery)
                kept.append(False)
        return kept
