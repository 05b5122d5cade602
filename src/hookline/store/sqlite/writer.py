"""The thread that writes: everything that waits goes into one transaction, and one fsync serves everybody in it.

There is no timer: a commit starts as soon as the last one has returned, so a lone job does not wait and a crowd shares.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from hookline.errors import ConfigError, Unavailable
from hookline.ids import IdMaker
from hookline.store.clock import Clock
from hookline.store.sqlite.connect import explain
from hookline.store.sqlite.turnstile import Turnstile
from hookline.store.sqlite.tx import Tx

MAX_JOBS = 64
"""In one transaction: bounds how long the last of them waits."""

_FSYNC_FAILED = {
    apsw.SQLITE_IOERR_FSYNC,
    apsw.SQLITE_IOERR_DIR_FSYNC,
    apsw.SQLITE_IOERR_TRUNCATE,
}
_WHOLE_BATCH = (
    apsw.FullError,
    apsw.IOError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.ProtocolError,
)
"""What is wrong with the file or the disk is wrong for everybody in the transaction."""


class Job:
    """One function to run in a transaction, and whom to tell."""

    __slots__ = ("abandoned", "act", "error", "future", "loop", "result")

    def __init__(self, act: Callable[[Tx], Any]) -> None:
        self.act = act
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None
        self.abandoned = False
        self.result: Any = None
        self.error: BaseException | None = None


class Writer:
    """One a process; ``run`` is called on an event loop."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        clock: Clock,
        ids: IdMaker,
        number: int,
        committed: Callable[[set[str]], None],
    ) -> None:
        self._connection = connection
        self._path = path
        self._clock = clock
        self._ids = ids
        self._number = number
        self._committed = committed
        self._turnstile = Turnstile(path)
        self._file = _which(path)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self.broken: str | None = None
        """Why nothing can be written any more: after a failed fsync nobody knows what is on the disk, and a file that
        was replaced is not the store."""
        self._thread = threading.Thread(target=self._work, name="hookline-writer", daemon=True)
        self._thread.start()

    # -- callers' side -------------------------------------------------------------------------------------------

    async def run(self, act: Callable[[Tx], Any], *, patience: float | None = None) -> Any:
        """What ``act(tx)`` returns or raises, once it is committed and fsynced.

        Unavailable if it cannot be written, or if ``patience`` seconds went by (it may then still be written, if it had
        begun). A caller that is cancelled takes back only what has not begun.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        loop = asyncio.get_running_loop()
        job = Job(act)
        job.loop = loop
        job.future = loop.create_future()
        timer = loop.call_later(patience, self._give_up, job) if patience is not None else None
        self._queue.put(job)
        try:
            return await job.future
        finally:
            job.abandoned = True
            if timer is not None:
                timer.cancel()

    @staticmethod
    def _give_up(job: Job) -> None:
        job.abandoned = True
        if job.future is not None and not job.future.done():
            job.future.set_exception(Unavailable("the store did not answer in time"))

    def close(self) -> None:
        """Finish what waits, then end the thread. The connection is closed by it."""
        self._closed = True
        self._queue.put(None)
        self._thread.join(timeout=10)

    # -- the thread ----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        stopping = False
        while not stopping:
            waiting = [self._queue.get()]
            while len(waiting) < MAX_JOBS:
                try:
                    waiting.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            stopping = None in waiting
            jobs = [job for job in waiting if job is not None and not job.abandoned]
            if jobs:
                self._serve(jobs)
        self._turnstile.close()
        self._connection.close()

    def _serve(self, jobs: list[Job]) -> None:
        tx = Tx(self._connection, self._clock.now(), self._number, self._ids)
        try:
            self._commit(tx, jobs)
        except BaseException as problem:
            failure = self._failure(problem)
            for job in jobs:
                job.error = job.error or failure
        else:
            for act in tx.after:
                act()
            if tx.woken:
                self._committed(tx.woken)
        self._tell(jobs)

    def _commit(self, tx: Tx, jobs: list[Job]) -> None:
        if self.broken:
            raise Unavailable(self.broken)
        with self._turnstile:
            if _which(self._path) != self._file:  # SQLite would go on in a file that nobody can open any more
                self.broken = f"{self._path} was replaced or removed while this process had it open"
                raise Unavailable(self.broken)
            tx.now = self._clock.now()
            connection = self._connection
            connection.execute("begin immediate")
            try:
                for job in jobs:
                    if not job.abandoned:  # while we waited for our turn
                        self._run(tx, job, alone=len(jobs) == 1)
                if connection.in_transaction:
                    connection.execute("commit")
            finally:
                if connection.in_transaction:
                    connection.execute("rollback")

    @staticmethod
    def _run(tx: Tx, job: Job, *, alone: bool) -> None:
        """A job that fails by itself takes only its own writes back."""
        if alone:
            job.result = job.act(tx)
            return
        try:
            with tx.savepoint():
                job.result = job.act(tx)
        except _WHOLE_BATCH:
            raise
        except Exception as problem:
            if not tx.connection.in_transaction:
                raise
            job.error = problem

    def _failure(self, problem: BaseException) -> BaseException:
        if isinstance(problem, apsw.IOError) and getattr(problem, "extendedresult", 0) in _FSYNC_FAILED:
            self.broken = "an fsync failed, so nobody knows what is on the disk: restart once the disk is well"
        if isinstance(problem, _WHOLE_BATCH):
            found = explain(problem, self._path)
            return Unavailable(str(found)) if isinstance(found, ConfigError) else found
        return Unavailable(f"the store's lock failed: {problem}") if isinstance(problem, OSError) else problem

    @staticmethod
    def _tell(jobs: list[Job]) -> None:
        """One wake-up of each loop, however many wait on it."""
        loops = {job.loop for job in jobs if job.loop is not None}
        for loop in loops:
            mine = [job for job in jobs if job.loop is loop]
            try:
                loop.call_soon_threadsafe(_resolve, mine)
            except RuntimeError:  # the loop is closed: nobody is left to be told
                continue


def _which(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        future = job.future
        if future is None or future.done():
            continue
        if job.error is not None:
            future.set_exception(job.error)
        else:
            future.set_result(job.result)
