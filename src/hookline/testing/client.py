"""An app's handlers behind the real ingest, a real store and the real worker, stepped by hand under a clock that only
tests move. Nothing leaves the process: what would go to other destinations is recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hookline import ids, providers, telemetry
from hookline.app import Hookline
from hookline.config import Config, SecretRef, Source
from hookline.config.kinds import read_duration
from hookline.errors import ConfigError
from hookline.ingest import Ingest
from hookline.ingest.entries import Entry, build
from hookline.model import Claim, Event, Outcome, Receipt, Reply, State, Verified
from hookline.pacing import Limits
from hookline.providers import Signed
from hookline.retry import Policy
from hookline.routing import Router
from hookline.runtime.work import compiled, destinations
from hookline.store import open_store
from hookline.store.clock import FakeClock
from hookline.store.records import DeliveryStory, EventStory
from hookline.store.sqlite.store import SqliteStore
from hookline.testing.sign import URL, sign
from hookline.worker import Worker

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds of real time for one call: a handler that hangs must not hang the tests."""
PEER = "192.0.2.1"


class Recorded(msgspec.Struct, frozen=True):
    """What would have gone to a destination that is no handler."""

    destination: str
    event: Event


class Webhooks:
    """Sends to an app and runs its handlers. Every source has a secret to practise with, whatever the files say."""

    def __init__(self, hooks: Hookline, folder: Path, *, now: float = 1_800_000_000.0) -> None:
        """``folder`` is where the store goes. :raises ConfigError: with every problem of the app's configuration."""
        self.clock = FakeClock(now)
        self.recorded: list[Recorded] = []
        """Events for destinations that are no handlers, in the order they would have gone."""
        self._loop = _Loop()
        telemetry.quiet()
        try:
            self._inside = self._loop.run(_Inside.make(hooks, folder, self.clock, self.recorded))
        except BaseException:
            telemetry.quiet(False)
            self._loop.close()
            raise

    def send(
        self,
        source: str,
        type: str | None = None,
        *,
        set: Mapping[str, Any] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        id: str | None = None,
        run: bool = True,
    ) -> Sent:
        """A correctly signed request of the source's provider: a sample of ``type`` with some fields ``set``, or your
        own ``body``. ``run`` lets the handlers run at once; see :func:`hookline.testing.signed` for the rest."""
        entry = self._inside.entry(source)
        assert entry.verifier is not None
        request = sign(entry.verifier, type, set=set, body=body, id=id, now=self.clock.now())
        live = entry.live
        try:
            if body is None:
                self._inside.suit(entry, request)
            return self.post(source, request, run=run)
        finally:
            entry.live = live

    def post(self, source: str, request: Signed, *, run: bool = True) -> Sent:
        """Any request, say one that you tampered with."""
        reply, numbers = self._loop.run(self._inside.receive(self._inside.entry(source), request))
        if run:
            self.run()
        return Sent(self, reply, numbers)

    def run(self) -> int:
        """Run what is due, and what becomes due by it. Returns how many attempts there were."""
        return self._loop.run(self._inside.work())

    def advance(self, time: float | str) -> int:
        """Let ``"5m"`` or so many seconds pass, then run what is due."""
        self.clock.advance(read_duration(time))
        return self.run()

    def event(self, number: int) -> EventStory:
        """An event as it is now, with its deliveries and their attempts."""
        story = self._loop.run(self._inside.store.event(number))
        if story is None:
            raise KeyError(ids.show("evt", number))
        return story

    def close(self) -> None:
        """Close the store. The fixture does."""
        try:
            self._loop.run(self._inside.close())
        finally:
            telemetry.quiet(False)
            self._loop.close()

    def __enter__(self) -> Webhooks:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Sent:
    """A request that was sent, and what has become of it by now."""

    def __init__(self, webhooks: Webhooks, reply: Reply, numbers: Sequence[int]) -> None:
        self.status = reply.status
        """Of the HTTP answer."""
        self.reply = reply
        self._webhooks = webhooks
        self._numbers = tuple(numbers)

    def __repr__(self) -> str:
        told = [f"{event.event.type}: {event.event.status}" for event in self.events]
        return f"Sent({self.status}{', ' if told else ''}{', '.join(told)})"

    @property
    def events(self) -> list[EventStory]:
        """The events of the request, read afresh; none for one that was turned away."""
        return [self._webhooks.event(number) for number in self._numbers]

    @property
    def event(self) -> EventStory:
        """The only one."""
        if len(self._numbers) != 1:
            raise LookupError(f"{len(self._numbers)} events were made of this request (HTTP {self.status})")
        return self._webhooks.event(self._numbers[0])

    def delivery(self, destination: str | None = None) -> DeliveryStory:
        """The delivery to a handler or destination; without a name, the only one there is."""
        found = self.event.deliveries
        names = [story.delivery.destination for story in found]
        if destination is None and len(found) != 1:
            raise LookupError(f"there are {len(found)} deliveries: {', '.join(names) or self.event.event.reason}")
        for story in found:
            if destination in (None, story.delivery.destination):
                return story
        raise LookupError(f"no delivery to {destination}: there are {', '.join(names) or 'none'}")

    def state(self, destination: str | None = None) -> str:
        """``succeeded``, ``pending``, ``failed``, ``ignored``, ``needs_review`` or ``cancelled``."""
        return self.delivery(destination).delivery.state

    def reason(self, destination: str | None = None) -> str:
        """Why, in plain words."""
        return self.delivery(destination).delivery.reason or ""

    def error(self, destination: str | None = None) -> str:
        """The last attempt's traceback, if it had one."""
        attempts = self.delivery(destination).attempts
        return (attempts[-1].error or "") if attempts else ""


class _Inside:
    """What lives in the loop's thread."""

    def __init__(
        self, store: SqliteStore, entries: dict[str, Entry], ingest: Ingest, receipts: list[Receipt], worker: Worker
    ) -> None:
        self.store = store
        self._entries = entries
        self._receipts = receipts
        self._ingest = ingest
        self._worker = worker

    @classmethod
    async def make(cls, hooks: Hookline, folder: Path, clock: FakeClock, recorded: list[Recorded]) -> _Inside:
        config = _practised(hooks, folder)
        entries = {}
        for source in config.sources.values():
            practice = providers.practice(source.provider)
            alone = msgspec.structs.replace(config, sources={source.name: source})
            [entries[source.name]] = build(alone, clock.now(), keys=practice.keys).values()
        store = await open_store(config.server.store, role="test", clock=clock)
        wanted = {source.name: source.events for source in config.sources.values()}
        router = Router(config.routes, hooks.routes(), config.server.environment, wanted=wanted)
        accepting = _Receipts(store)
        ingest = Ingest(accepting, {}, router, limits=config.limits)
        await ingest.start()
        own = destinations(msgspec.structs.replace(config, destinations={}), hooks)
        others = {name: _Recorder(name, recorded) for name in config.destinations}
        worker = Worker(store, {**own, **others}, name="test", filters=compiled(config, hooks), jitter=lambda: 0.5)
        return cls(store, entries, ingest, accepting.receipts, worker)

    def entry(self, source: str) -> Entry:
        entry = self._entries.get(source)
        if entry is None or entry.verifier is None:
            known = ", ".join(self._entries) or "none"
            raise ConfigError(
                entry.trouble if entry is not None else f"there is no source {source!r}: there are {known}"
            )
        return entry

    def suit(self, entry: Entry, sample: Signed) -> None:
        """Samples are of the provider's test mode or of its live one as they were found: here each is at home."""
        assert entry.verifier is not None
        verified = entry.verifier.check(sample.request(self.store.now()), self.store.now())
        if isinstance(verified, Verified) and verified.events[0].live is not None:
            entry.live = verified.events[0].live

    async def receive(self, entry: Entry, signed: Signed) -> tuple[Reply, tuple[int, ...]]:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        request = msgspec.structs.replace(signed.request(self.store.now()), peer=PEER)
        self._receipts.clear()
        self._ingest.receive(entry, request, answer.set_result)
        reply = await answer
        return reply, tuple(number for receipt in self._receipts for number in receipt.events)

    async def work(self) -> int:
        done = 0
        while count := await self._worker.step():
            done += count
        return done

    async def close(self) -> None:
        await self._ingest.stop()
        await self.store.close()


def _practised(hooks: Hookline, folder: Path) -> Config:
    """The app's configuration with a store of its own and secrets that everybody may know."""
    config, problems = hooks.load(flags={"server.store": f"sqlite:///{folder.absolute() / 'hookline.db'}"})
    if config is None:
        raise ConfigError("\n".join(str(problem) for problem in problems if problem.level == "error"))
    sources = {name: _with_practice(source) for name, source in config.sources.items()}
    return msgspec.structs.replace(config, sources=sources)


def _with_practice(source: Source) -> Source:
    if source.provider not in providers.PROVIDERS:
        providers.bind(source, ())  # says that nobody knows it
    practice = providers.practice(source.provider)
    return msgspec.structs.replace(
        source,
        url=source.url or URL + source.path,
        secrets=tuple(SecretRef(ref=secret) for secret in practice.secrets),
        options={**practice.options, **source.options},
        rate=None,
    )


class _Receipts:
    """A store as ingest sees it, which remembers what became of what it was given."""

    def __init__(self, store: SqliteStore) -> None:
        self.note = store.note
        self.prepare = store.prepare
        self.receipts: list[Receipt] = []
        self._store = store

    async def accept_prepared(self, packed: Sequence[Any]) -> list[Receipt | Exception]:
        results = await self._store.accept_prepared(packed)
        self.receipts += [result for result in results if isinstance(result, Receipt)]
        return results


class _Recorder:
    """Stands where a destination would send."""

    timeout = 15.0
    interruptible = True
    suspect_after = 1
    places = 1_000

    def __init__(self, name: str, recorded: list[Recorded]) -> None:
        self.name = name
        self.policy = Policy()
        self.limits = Limits()
        self._recorded = recorded

    async def send(self, claim: Claim) -> Outcome:
        self._recorded.append(Recorded(self.name, claim.event))
        return Outcome(state=State.SUCCEEDED, reason="recorded")

    async def close(self) -> None:
        pass


class _Loop:
    """An event loop in a thread, so that tests of any colour can wait for it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hookline-testing", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
