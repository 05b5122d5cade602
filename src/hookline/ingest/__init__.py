"""Rooms 2 to 5 of the walk: is it genuine, what is it, who wants it, is it safely kept? Then, and only then, 2xx."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import structlog

from hookline import telemetry
from hookline.config import Limits
from hookline.errors import Rejected, Unavailable
from hookline.ingest.addresses import neighbourhood
from hookline.ingest.arrivals import arrival
from hookline.ingest.committer import Acceptor, Committer
from hookline.ingest.entries import Entry, Refusal, nearest
from hookline.ingest.health import Clock, Disk
from hookline.ingest.leaks import Needles, without_secret
from hookline.ingest.pace import Seldom, Strangers
from hookline.ingest.replies import FORBIDDEN, NOT_FOUND, OK, UNAVAILABLE, busy, plain
from hookline.ingest.requestlog import LOOKED_AT, Notebook, RequestLog
from hookline.ingest.triggers import Triggers
from hookline.model import Receipt, Reply, Request, RequestOutcome, Verified
from hookline.providers import CLOCK_REASONS, PROVIDERS, Learned, recognise
from hookline.routing import Router
from hookline.secrets import keep
from hookline.store.base import RequestNote

log = structlog.get_logger("hookline.ingest")

Done = Callable[[Reply], None]

RETRY_AFTER = 5
_LOOK = 5.0
"""Seconds between two looks at the disk, and after a failed commit until events may try again."""
_RESERVED = b"/i/"


class IngestStore(Acceptor, Notebook, Protocol):
    """The part of a store that ingest needs."""


class Ingest:
    """Receives requests for the doors of one process.

    ``entries`` (see :func:`hookline.ingest.entries.build`) and ``router`` are replaced whole at a reload, or when an
    app has published its handlers; requests that are under way keep the old ones.
    """

    def __init__(
        self,
        store: IngestStore,
        entries: dict[bytes, Entry],
        router: Router,
        *,
        limits: Limits | None = None,
        rejected_per_hour: int = 100,
        disk: str | None = None,
        learn: Callable[[str, str], Awaitable[bool]] | None = None,
    ) -> None:
        """``disk`` is a path on the store's disk, None where there is none to watch. ``learn`` is asked to keep a
        secret that a handshake brought (source, secret); False from it refuses the handshake."""
        limits = limits or Limits()
        self.entries = entries
        self.router = router
        self.draining = False
        self.committer = Committer(store, most_waiting=limits.waiting, most_bytes=limits.waiting_bytes)
        self.request_log = RequestLog(store, per_hour=rejected_per_hour)
        self.clock = Clock()
        self.disk = Disk(disk, refuse=limits.disk_refuse, warn=limits.disk_warn, ballast=limits.disk_ballast)
        self.overfull = False
        """More open deliveries than the settings allow: whoever runs us looks and says so."""
        self.learn = learn
        self.leaked = 0
        """Stored requests that carried their source's secret."""
        self.strangers = Strangers(limits.unverified_rate)
        self.triggers: Triggers | None = None
        """Knows samples of our own by their mark; None takes all for the provider's."""
        self._seldom = Seldom()
        self._watcher: asyncio.Task[None] | None = None
        self._learning: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to commit. Look at the disk first: an event must not find it full."""
        await asyncio.to_thread(self.disk.look)
        self.committer.start()
        self.request_log.start()
        self._watcher = asyncio.create_task(self._watch(), name="disk watch")

    async def stop(self) -> None:
        """Commit what waits, write the request log, end. Close the doors first."""
        self.draining = True
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self.committer.stop()
        await self.request_log.stop()

    def receive(self, entry: Entry, request: Request, done: Done) -> None:
        """Check, route and keep one request, and call ``done`` exactly once: at once where nothing needs to be
        committed, else after the commit."""
        verifier = entry.verifier
        if verifier is None:
            done(self._unavailable(entry, request, "secret not available", RETRY_AFTER))
            return
        try:
            verified = verifier.check(request, request.received_at)
        except Rejected as no:
            done(self._rejected(entry, request, no))
            return
        except Unavailable as trouble:
            if trouble.__cause__ is not None:
                self._bug(entry, trouble.__cause__)
            done(self._unavailable(entry, request, trouble.reason, trouble.retry_after))
            return
        if isinstance(verified, Learned):
            task = asyncio.create_task(self._learn(entry, request, verified, done), name="learn a secret")
            self._learning.add(task)
            task.add_done_callback(self._learning.discard)
            return
        if isinstance(verified, Reply):
            done(self._challenge(entry, request, verified))
            return
        self.clock.fresh(request.received_at)
        if entry.bucket is not None and not entry.bucket.take(request.received_at):
            self._told(entry, request, RequestOutcome.REJECTED, "over the rate", 429)
            done(busy(entry.bucket.wait(), 429))
            return
        closed = self._closed()
        if closed is not None:
            done(self._unavailable(entry, request, closed, RETRY_AFTER))
            return
        self._commit(entry, request, verified, done)

    def refused(self, entry: Entry, request: Request, refusal: Refusal) -> Reply:
        """Turned away for what the head says: noted and answered."""
        self.note(entry, request, refusal.reason, refusal.reply.status)
        return refusal.reply

    def elsewhere(self, request: Request, path: bytes) -> Reply:
        """The answer to a path that no source has; ``path`` without the place where we are mounted, and the query."""
        if path == b"/healthz":
            return OK
        if path == b"/readyz":
            trouble = self.trouble()
            return OK if trouble is None else UNAVAILABLE
        if not path.startswith(_RESERVED):
            self.note(None, request, "unknown path", 404)
        return NOT_FOUND

    def trouble(self) -> str | None:
        """Why no event could be committed now, or None: what ``/readyz`` asks."""
        if self.draining:
            return "stopping"
        failed_at = self.committer.failed_at
        if failed_at is not None and time.monotonic() - failed_at < _LOOK:
            return "store unavailable"
        return self._closed()

    def note(self, entry: Entry | None, request: Request, reason: str, status: int) -> None:
        """Keep a turned-away request for people to look at."""
        self._told(entry, request, RequestOutcome.REJECTED, reason, status)
        source = None if entry is None else entry.name
        if not self.request_log.room(source, reason, neighbourhood(request.peer), request.received_at):
            return  # before we take trouble over it: this may be one of a flood
        request = self._without_any_secret(entry, request)
        self.request_log.put(
            RequestNote(
                source=source,
                outcome=RequestOutcome.REJECTED,
                reason=reason,
                status=status,
                request=request,
                hint=self._hint(request) if entry is None else "",
            )
        )

    # -- inside --------------------------------------------------------------------------------------------------

    def _closed(self) -> str | None:
        """Why no event is taken now, or None."""
        if self.disk.low:
            return "disk nearly full"
        return "backlog" if self.overfull else self.committer.full()

    def _commit(self, entry: Entry, request: Request, verified: Verified, done: Done) -> None:
        verifier = entry.verifier
        assert verifier is not None
        trigger = self.triggers.read(request) if self.triggers is not None else None
        if entry.needles.within(request):
            request, verified = self._without_secret(entry, request, verified)
        arrived = arrival(entry, verifier, request, verified, self.router, trigger=trigger)
        kind = arrived.events[0].type

        def finish(result: Receipt | Exception) -> None:
            if isinstance(result, Receipt):
                self._told(entry, request, result.outcome, "", entry.ack.status, kind, result.events)
                done(entry.ack)
            elif isinstance(result, Unavailable):
                done(self._unavailable(entry, request, result.reason, result.retry_after))
            else:
                log.error("not stored: bug", source=entry.name, exc_info=result, answer=503)
                done(self._unavailable(entry, request, "bug", RETRY_AFTER))

        self.committer.put(arrived, len(request.body) + 1_000, finish)

    def _bug(self, entry: Entry, cause: BaseException) -> None:
        """A check that broke is ours to mend; strangers may cause it, so that one traceback a minute is enough."""
        if self._seldom("bug", entry.name, time.monotonic()):
            log.error("bug in a check", source=entry.name, provider=entry.source.provider, exc_info=cause, answer=503)

    def _rejected(self, entry: Entry, request: Request, no: Rejected) -> Reply:
        now = request.received_at
        if no.reason in CLOCK_REASONS:
            if self.clock.stale(now):
                return self._unavailable(entry, request, "clock in doubt", RETRY_AFTER)
        else:
            empty = self.strangers.take(neighbourhood(request.peer), now)
            if empty is not None:
                self._told(entry, request, RequestOutcome.REJECTED, no.reason, 429)
                return busy(empty.wait(), 429)
        self.note(entry, request, no.reason, no.status)
        return plain(no.status)

    def _unavailable(self, entry: Entry, request: Request, reason: str, seconds: int) -> Reply:
        """503: they try again. Not noted: it would fill the log with what is no fault of theirs."""
        self._told(entry, request, RequestOutcome.REJECTED, reason, 503)
        return busy(seconds)

    async def _learn(self, entry: Entry, request: Request, reply: Learned, done: Done) -> None:
        """A handshake that brought the source's secret: kept before it is answered, if somebody expects it."""
        try:
            kept = self.learn is not None and await self.learn(entry.name, reply.secret)
        except Unavailable as trouble:
            done(self._unavailable(entry, request, trouble.reason, trouble.retry_after))
            return
        except Exception:
            log.exception("secret not kept: bug", source=entry.name, answer=503)
            done(self._unavailable(entry, request, "bug", RETRY_AFTER))
            return
        if not kept:
            self.note(entry, request, "handshake not expected", 403)
            done(FORBIDDEN)
            return
        keep(reply.secret)
        entry.needles = Needles([reply.secret])
        done(self._challenge(entry, request, Reply(reply.status, reply.body, reply.headers), "secret learned"))

    def _challenge(self, entry: Entry, request: Request, reply: Reply, reason: str = "") -> Reply:
        self._told(entry, request, RequestOutcome.CHALLENGE, reason, reply.status)
        if not self.request_log.room(entry.name, "challenge", neighbourhood(request.peer), request.received_at):
            return reply
        request = self._without_any_secret(entry, request)
        self.request_log.put(
            RequestNote(
                source=entry.name,
                outcome=RequestOutcome.CHALLENGE,
                reason=reason,
                status=reply.status,
                request=request,
            )
        )
        return reply

    def _without_secret(self, entry: Entry, request: Request, verified: Verified) -> tuple[Request, Verified]:
        """The request as it may be stored, and its events with it; said aloud where the sender is at fault."""
        if not entry.sends_secret:
            self.leaked += 1
            if self._seldom("leak", entry.name, time.monotonic()):
                log.error(
                    "secret in a request",
                    source=entry.name,
                    problem="the sender put this source's own secret into a request: masked before it was stored",
                    cure=f"change the secret of {entry.name}",
                )
        return without_secret(entry.needles, request, verified)

    def _without_any_secret(self, entry: Entry | None, request: Request) -> Request:
        """As the request log may keep it: what went to a wrong path carries the secret of the right one."""
        if len(request.body) > LOOKED_AT:
            request = msgspec.structs.replace(request, body=request.body[:LOOKED_AT])
        own = [] if entry is None else [entry]  # a reload may have replaced it since
        for known in (*own, *self.entries.values()):
            if known.needles.within(request):
                request = known.needles.redact(request)
        return request

    def _hint(self, request: Request) -> str:
        """Whose request came to a path that nobody has, and where it was perhaps meant to go."""
        name = recognise(request)
        title = PROVIDERS[name].title if name in PROVIDERS else ""
        near = nearest(request.target.partition(b"?")[0], self.entries)
        if not near and name is not None:
            near = next((e.source.path for e in self.entries.values() if e.source.provider == name), "")
        parts = [f"looks like {title}" if title else "", f"did you mean {near}?" if near else ""]
        return "; ".join(part for part in parts if part)

    def _told(
        self,
        entry: Entry | None,
        request: Request,
        outcome: RequestOutcome,
        reason: str,
        status: int,
        type: str = "",
        events: tuple[int, ...] = (),
    ) -> None:
        telemetry.requested(
            None if entry is None else entry.name,
            outcome,
            reason,
            status,
            max(0.0, time.time() - request.received_at),
            len(request.body),
            peer=request.peer,
            type=type,
            events=events,
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            await asyncio.to_thread(self.disk.look)
