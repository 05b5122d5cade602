"""The store's outside: async methods that hand plain functions to the thread that writes or to one that reads."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw

from hookline.errors import ConfigError, Unavailable
from hookline.ids import IdMaker
from hookline.model import Arrival, Claim, HandlerRoute, Outcome, Receipt, Settlement
from hookline.store.base import PublishedApp, RequestNote, Want
from hookline.store.clock import BootClock, Clock, boot_id, boot_seconds
from hookline.store.compress import Codec
from hookline.store.sqlite import apps, shared, workers
from hookline.store.sqlite.accept import Packed, Plan, accept, learn_dictionaries, pack, plan
from hookline.store.sqlite.backoffice import BackOffice
from hookline.store.sqlite.checkpoint import Checkpointer
from hookline.store.sqlite.claim import Leases, bury, claim, next_due, renew, unpack
from hookline.store.sqlite.connect import connect, connect_reader, explain
from hookline.store.sqlite.keys import KeyBook
from hookline.store.sqlite.migrate import migrate
from hookline.store.sqlite.notes import NoteLimits, note
from hookline.store.sqlite.renewer import Renewer
from hookline.store.sqlite.settle import plan_settle, settle
from hookline.store.sqlite.turnstile import OPEN, Turnstile, share
from hookline.store.sqlite.tx import Tx
from hookline.store.sqlite.upkeep import Upkeep
from hookline.store.sqlite.within import Act, Undo, settle_with
from hookline.store.sqlite.writer import Writer
from hookline.store.wake import Wake

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that a door waits for its commit before it says 503."""

DICTIONARY_SECONDS = 5.0
"""How often a process that accepts looks for dictionaries that were trained since."""

EARLY = 400
"""Requests of a source without a dictionary after which one is trained."""

READ_SECONDS = 2.0
"""A reader that stays longer keeps the write-ahead log from starting over."""


class SqliteStore(BackOffice, Upkeep):
    """One file, opened by one process. Other rooms call the methods; functions of this room take a :class:`Tx`."""

    def __init__(
        self, path: Path, role: str, connection: apsw.Connection, clock: Clock, number: int, in_use: int
    ) -> None:
        """``in_use`` is our share of the lock that says so, closed at the end."""
        self.path = path
        self.role = role
        self.clock = clock
        self.number = number
        self.ids = IdMaker()
        self.wake = Wake(path)
        self._writer = Writer(connection, path, clock, self.ids, number, self._committed)
        self._readers = ThreadPoolExecutor(3, thread_name_prefix="hookline-reader")
        self._reader = threading.local()
        self._reader_connections: list[apsw.Connection] = []
        self._codec = Codec()
        self._shelf = Codec()
        self._book = KeyBook()
        self._dictionaries_at = 0.0
        self._training: asyncio.Task[None] | None = None
        self._note_limits = NoteLimits()
        self._leases = Leases()
        self._renewer: Renewer | None = None
        self._checkpointer = Checkpointer(path) if role != "cli" else None
        self._in_use = in_use
        self._closed = False

    @classmethod
    async def open(cls, path: str, *, role: str, clock: Clock | None = None) -> SqliteStore:
        """Open or create the file, migrate it, and start the writer. ``clock`` is for tests."""
        return await asyncio.to_thread(cls._open, path, role, clock)

    @classmethod
    def _open(cls, name: str, role: str, clock: Clock | None) -> SqliteStore:
        path = Path(name).absolute()
        if not path.parent.is_dir():
            raise ConfigError(f"server.store: the folder {path.parent} does not exist: create it, or name another")
        try:
            in_use = share(path, OPEN)
            try:
                connection, number, anchor = cls._prepare(path)
            except BaseException:
                os.close(in_use)
                raise
        except PermissionError as problem:
            raise ConfigError(f"store: {path}: this user may not write here — run as the user that serves") from problem
        return cls(path, role, connection, clock or BootClock(anchor), number, in_use)

    @staticmethod
    def _prepare(path: Path) -> tuple[apsw.Connection, int, float]:
        turnstile = Turnstile(path)
        try:
            with turnstile:  # one process creates and migrates, the others find it done
                path.touch(mode=0o600)  # before SQLite does, with the user's umask
                connection = connect(path)
                try:
                    migrate(connection, path, time.time())
                    number, anchor = _register(connection)
                except apsw.Error as problem:
                    connection.close()
                    raise explain(problem, path) from problem
                except BaseException:
                    connection.close()
                    raise
        finally:
            turnstile.close()
        return connection, number, anchor

    async def close(self) -> None:
        """Finish what is being written, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        if self._training is not None:
            self._training.cancel()
            await asyncio.gather(self._training, return_exceptions=True)
        await asyncio.to_thread(self._writer.close)
        self._readers.shutdown(wait=True)
        for connection in self._reader_connections:
            connection.close()
        if self._checkpointer is not None:
            await asyncio.to_thread(self._checkpointer.close)
        if self._renewer is not None:
            self._renewer.close()
        self.wake.close()
        os.close(self._in_use)

    def now(self) -> float:
        """Unix seconds, as this store counts them."""
        return self.clock.now()

    @property
    def broken(self) -> str | None:
        """Why this process can write no more, whatever becomes of the disk: it has to be replaced."""
        return self._writer.broken

    # -- transactions --------------------------------------------------------------------------------------------

    async def write(self, act: Callable[..., T], *values: Any, **named: Any) -> T:
        """``act(tx, *values, **named)`` in one durable transaction, maybe together with others'. What it raises, is
        raised here, and its writes are taken back."""
        written: T = await self._writer.run(partial(_call, act, values, named))
        return written

    async def read(self, act: Callable[..., T], *values: Any, **named: Any) -> T:
        """``act(tx, *values, **named)`` on one unchanging view of the store, in another thread. Unavailable after two
        seconds: long walks go in bites, a ``read`` each."""
        if self._closed:
            raise Unavailable("the store is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, partial(_call, act, values, named))

    def _read(self, act: Callable[[Tx], T]) -> T:
        connection: apsw.Connection | None = getattr(self._reader, "connection", None)
        if connection is None:
            connection = self._reader.connection = connect_reader(self.path)
            self._reader_connections.append(connection)
        until = time.monotonic() + READ_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > until, 20_000)
        try:
            connection.execute("begin")
            try:
                return act(Tx(connection, self.clock.now()))
            finally:
                if connection.in_transaction:
                    connection.execute("rollback")
        except apsw.InterruptError as problem:
            raise Unavailable("reading took longer than two seconds: ask for less at a time") from problem
        except apsw.Error as problem:
            raise explain(problem, self.path) from problem

    # -- apps ----------------------------------------------------------------------------------------------------

    async def publish_app(self, app: str, generation: int, handlers: Sequence[HandlerRoute]) -> bool:
        """Write what an app handles; False where a newer generation has done so already."""
        return await self.write(apps.publish_app, app, generation, handlers)

    async def note_app_error(self, app: str, generation: int, error: str) -> None:
        """An import that failed leaves the last good handlers in place, and says why."""
        await self.write(apps.note_app_error, app, generation, error)

    async def forget_other_apps(self, app: str) -> None:
        """Where one app is all there is, what others published earlier is a leftover of a name that has changed."""
        await self.write(apps.forget_other_apps, app)

    async def published_apps(self) -> list[PublishedApp]:
        """Every app that has published its handlers, by name."""
        return await self.read(apps.published_apps)

    async def anybody_works(self) -> bool:
        """Whether any worker has said within the last minute that it works."""
        return await self.read(workers.anybody_works)

    async def open_deliveries(self) -> int:
        """How many deliveries wait, run or are to be tried again."""
        return await self.read(workers.open_deliveries)

    async def worker_seen(self, name: str, pid: int, destinations: Sequence[str]) -> None:
        """A worker says that it is there, and what it can deliver to. To be said again within a minute."""
        await self.write(workers.worker_seen, name, pid, destinations)

    async def worker_gone(self, name: str) -> None:
        """A worker leaves in good order."""
        await self.write(workers.worker_gone, name)

    async def shared_key(self) -> bytes:
        """32 random bytes that the processes of this store share: what marks a sample of our own at the door."""
        return await self.write(shared.shared_key)

    # -- the walk ------------------------------------------------------------------------------------------------

    async def accept(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        """See :meth:`hookline.store.base.Store.accept`. Unavailable after two seconds of waiting."""
        packed = [self.prepare(arrival) for arrival in arrivals]
        return await self.accept_prepared(packed)

    def prepare(self, arrival: Arrival) -> Packed | Exception:
        """The part of :meth:`accept` that can be done as soon as the arrival is there, while others are committed."""
        return pack(self._codec, arrival)

    async def accept_prepared(self, packed: Sequence[Packed | Exception]) -> list[Receipt | Exception]:
        """The rest of :meth:`accept`."""
        book = self._book
        planned = plan(packed, book, self.ids, self.clock.now(), self.number)
        hashes = planned.hashes if planned is not None else []
        book.pending.update(hashes)
        try:
            receipts: list[Receipt | Exception] = await self._writer.run(
                partial(self._accept, packed, planned), patience=PATIENCE
            )
        finally:
            book.pending.difference_update(hashes)
        self._train_early(packed)
        return receipts

    def _train_early(self, packed: Sequence[Packed | Exception]) -> None:
        """A busy source gets its first dictionary after a few hundred requests, not at the next round of upkeep."""
        if self._training is not None and not self._training.done():
            return
        without = self._codec.without
        for source in {entry.arrival.source for entry in packed if isinstance(entry, Packed) and not entry.dictionary}:
            if without[source] >= EARLY:
                without[source] = -EARLY * 20  # it may have nothing in common to learn: ask seldom
                self._training = asyncio.create_task(self._train_in_the_background())

    async def _train_in_the_background(self) -> None:
        try:
            await self.train_dictionaries()
        except Unavailable:  # the next round of upkeep tries again
            return

    def _accept(self, packed: Sequence[Packed | Exception], planned: Plan | None, tx: Tx) -> list[Receipt | Exception]:
        if tx.now > self._dictionaries_at:
            self._dictionaries_at = tx.now + DICTIONARY_SECONDS
            learn_dictionaries(tx, self._codec)
        return accept(tx, packed, self._book, planned)

    async def claim(self, worker: str, wants: Mapping[str, Want], lease_seconds: float) -> list[Claim]:
        """See :meth:`hookline.store.base.Store.claim`."""
        batches = await self.write(claim, worker, wants, lease_seconds, self._codec, self._leases)
        claims, unreadable = unpack(self._codec, batches, worker, self.now())
        if unreadable:
            await self.settle(unreadable)
        return claims

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See :meth:`hookline.store.base.Store.settle`."""
        planned = plan_settle(settlements, self.clock.now(), self.number)
        return await self.write(settle, settlements, planned)

    async def settle_with(self, settlement: Settlement, act: Act) -> Outcome | None:
        """End a delivery as ``settlement`` says and let ``act`` write in the same transaction: both or neither. Its
        outcome; any but success takes everything back. None where the lease was lost: ``act`` was not called."""
        try:
            return await self.write(settle_with, settlement, act)
        except Undo as undone:
            return undone.outcome

    async def renew(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
        """See :meth:`hookline.store.base.Store.renew`."""
        return await self.write(renew, claims, lease_seconds)

    def renew_now(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
        """:meth:`renew` for a thread of its own, on a connection of its own: neither an event loop that a handler
        blocks nor a writer that has much to do delays it. Only one thread may call it."""
        if self._renewer is None:
            self._renewer = Renewer(self.path, self.clock)
        return self._renewer.renew(claims, lease_seconds)

    async def bury(self, worker: str, running: Collection[tuple[int, int]]) -> int:
        """Take back at once what a dead worker held; ``running``, as (delivery, lease), count a crash."""
        return await self.write(bury, worker, frozenset(running))

    async def left_unknown(self, delivery: int) -> str | None:
        """Why nobody knows whether the last try of a delivery had its effect (its worker died, its lease ran out); None
        where that is known."""
        last = await self.read(lambda tx: tx.one("last_try", id=delivery))
        return last[1] if last is not None and last[0] else None

    async def next_due(self, destinations: Sequence[str]) -> float | None:
        """Unix seconds at which one of these has something to do (maybe past); None for nothing waiting."""
        return await self.read(next_due, destinations)

    def bound_requests(self, *, rows: int, size: int, an_hour: int) -> None:
        """How many rejected requests are kept: ``rows`` and ``size`` bytes of a source, ``an_hour`` of one address and
        reason."""
        self._note_limits = NoteLimits(rows, size, an_hour)

    async def note(self, notes: Sequence[RequestNote]) -> None:
        """See :meth:`hookline.store.base.Store.note`."""
        await self.write(note, notes, self._codec, self._note_limits)

    # -- wake-ups ------------------------------------------------------------------------------------------------

    async def wait_for_work(self, seconds: float) -> bool:
        """True as soon as any process has committed work, False after ``seconds``."""
        return await self.wake.wait(seconds)

    def _committed(self, woken: set[str]) -> None:
        self.wake.poke()


def _call(act: Callable[..., T], values: Sequence[Any], named: dict[str, Any], tx: Tx) -> T:
    return act(tx, *values, **named)


def _register(connection: apsw.Connection) -> tuple[int, float]:
    """This process's number among the writers, and the clock's anchor of this boot."""
    connection.execute("begin immediate")
    tx = Tx(connection, 0.0)
    number = tx.one("next_writer")
    boot, stored, anchor = boot_id(), tx.one("meta", name="boot"), tx.one("meta", name="anchor")
    if stored == (boot,) and boot and anchor is not None:
        since = float(anchor[0])
    else:
        since = time.time() - boot_seconds()
        tx.run("set_meta", name="boot", value=boot)
        tx.run("set_meta", name="anchor", value=repr(since))
    connection.execute("commit")
    assert number is not None
    return number[0], since
