"""A worker process from its start to its end: what the dead left, the loop, the keeper, the drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from hookline.destinations.base import Destination
from hookline.errors import Unavailable
from hookline.filters import Filter
from hookline.worker.alone import Alone
from hookline.worker.board import Board, crashed, fresh_path
from hookline.worker.keeper import Keeper, KeeperStore
from hookline.worker.loop import Worker, WorkStore
from hookline.worker.settings import WorkerSettings

log = structlog.get_logger("hookline.worker")

_SEEN_EVERY = 20.0


class ServiceStore(WorkStore, KeeperStore, Protocol):
    """All that a worker process needs of a store."""

    async def bury(self, worker: str, running: Collection[tuple[int, int]]) -> int: ...
    async def worker_seen(self, name: str, pid: int, destinations: Sequence[str]) -> None: ...
    async def worker_gone(self, name: str) -> None: ...


class Service:
    """``await service.run()`` until somebody calls ``service.stop()`` (on SIGTERM)."""

    def __init__(
        self,
        store: ServiceStore,
        destinations: Mapping[str, Destination],
        *,
        boards: Path,
        boot: str,
        filters: Mapping[str, Filter] | None = None,
        settings: WorkerSettings | None = None,
        alone: Sequence[str] | None = None,
    ) -> None:
        """``boards`` is the folder and start of the name of the running boards (the store's file), the same for all
        workers of a machine; ``boot`` changes with every start of the machine. ``alone`` is the command that tries one
        claim in a process of its own (see :func:`hookline.worker.alone.answer`)."""
        self._store = store
        self._destinations = destinations
        self._boards = boards
        self._boot = boot
        name = f"{socket.gethostname()[:32]}-{os.getpid()}-{os.urandom(3).hex()}"  # a pid comes again, this does not
        self._board = Board(fresh_path(boards.parent, boards.name), name, boot)
        self.worker = Worker(
            store,
            destinations,
            name=name,
            filters=filters,
            settings=settings,
            board=self._board,
            alone=Alone(alone) if alone is not None else None,
        )

    async def run(self) -> None:
        """Deliver until :meth:`stop`; returns when everything is settled or handed back."""
        await self.bury_the_dead()
        keeper = Keeper(self.worker, self._store, asyncio.get_running_loop())
        keeper.start()
        seen = asyncio.create_task(self._be_seen(), name="worker is seen")
        try:
            await self.worker.run()
        finally:
            seen.cancel()
            await asyncio.gather(seen, return_exceptions=True)
            keeper.stop()
            with contextlib.suppress(Unavailable):  # it will be forgotten by itself
                await self._store.worker_gone(self.worker.name)
            self.worker.leave()
            for destination in self._destinations.values():
                await destination.close()

    def stop(self) -> None:
        self.worker.stop()

    async def _be_seen(self) -> None:
        """Tell the store that somebody works on these destinations, so that it can say where nobody does."""
        while True:
            with contextlib.suppress(Unavailable):
                await self._store.worker_seen(self.worker.name, os.getpid(), list(self._destinations))
            await asyncio.sleep(_SEEN_EVERY)

    async def bury_the_dead(self) -> None:
        """Take back what workers of this machine held when they died; only what they were running counts a crash."""
        for dead in crashed(self._boards.parent, self._boards.name, self._boot):
            count = await self._store.bury(dead.worker, dead.running)
            log.warning("a worker died", worker=dead.worker, held=count, running=len(dead.running))
