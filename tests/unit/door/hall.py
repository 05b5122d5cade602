"""A door without sockets: connections whose transport is a list, and a store that says yes (or what it is told)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from hookline.config import Config, Limits, SecretRef, Source
from hookline.door import Door
from hookline.door import Limits as DoorLimits
from hookline.door.protocol import Connection
from hookline.ingest import Ingest
from hookline.ingest.addresses import networks
from hookline.ingest.entries import build
from hookline.model import Arrival, HandlerRoute, Receipt, RequestOutcome
from hookline.providers import Signed
from hookline.routing import Router
from hookline.store.base import RequestNote

SECRET = "It's a Secret to Everybody"


class Yes:
    """A store that accepts at once and remembers; ``answer`` makes it say something else."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.batches: list[int] = []
        self.notes: list[RequestNote] = []
        self.answer: Any = None

    def prepare(self, arrival: Arrival) -> Arrival:
        return arrival

    async def accept_prepared(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        if self.answer is not None:
            return await self.answer(arrivals)
        self.batches.append(len(arrivals))
        self.arrivals += arrivals
        return [Receipt(RequestOutcome.ACCEPTED, (number + 1,)) for number, _ in enumerate(arrivals)]

    async def note(self, notes: Sequence[RequestNote]) -> None:
        self.notes += notes


class Wire(asyncio.Transport):
    """What a connection writes, and what is done to it."""

    def __init__(self, host: str = "192.0.2.7", tls: bool = False) -> None:
        super().__init__({"peername": (host, 4711) if host else "", "ssl_object": object() if tls else None})
        self.sent = b""
        self.reading = True
        self.half_closed = False
        self.closed = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.half_closed, "wrote after the end"
        self.sent += data

    def can_write_eof(self) -> bool:
        return self.get_extra_info("ssl_object") is None

    def write_eof(self) -> None:
        self.half_closed = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    @property
    def over(self) -> bool:
        return self.half_closed or self.closed

    def statuses(self) -> list[int]:
        """Of the responses written so far, in order."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) [A-Z]", self.sent)]


class Hall:
    """A door, its ingest and its store, and a stranger who talks to them."""

    def __init__(self, ingest: Ingest, store: Yes, door: Door) -> None:
        self.ingest = ingest
        self.store = store
        self.door = door

    def connect(self, host: str = "192.0.2.7", tls: bool = False) -> tuple[Connection, Wire]:
        wire = Wire(host, tls)
        connection = Connection(self.door)
        connection.connection_made(wire)
        return connection, wire

    def signed(
        self, body: bytes = b'{"zen": "Keep it logically awesome."}', id: str = "d-1", source: str = "github"
    ) -> Signed:
        verifier = self.ingest.entries[f"/webhooks/{source}".encode()].verifier
        assert verifier is not None
        return verifier.sign(body, now=1_800_000_000, type="push", id=id)

    async def settle(self) -> None:
        """Let the committer have its turn, until nothing is on its way."""
        for _ in range(20):
            await asyncio.sleep(0)


def raw(signed: Signed, *extra: tuple[bytes, bytes], target: bytes = b"/webhooks/github", length: bool = True) -> bytes:
    """A signed request as it comes over the wire."""
    headers = [(b"Host", b"hooks.example.com"), *signed.headers, *extra]
    if length:
        headers.append((b"Content-Length", b"%d" % len(signed.body)))
    lines = [b"%s %s HTTP/1.1" % (signed.method.encode(), target), *[b"%s: %s" % pair for pair in headers]]
    return b"\r\n".join(lines) + b"\r\n\r\n" + signed.body


def source(name: str = "github", provider: str = "github", **more: Any) -> Source:
    return Source(
        name=name,
        provider=provider,
        environment=more.pop("environment", "production"),
        path=more.pop("path", f"/webhooks/{name}"),
        url=f"https://hooks.example.com/webhooks/{name}",
        secrets=more.pop("secrets", (SecretRef(ref=SECRET),)),
        **more,
    )


def make_hall(
    *sources: Source,
    limits: Limits | None = None,
    door_limits: DoorLimits | None = None,
    trusted: Sequence[str] = (),
    handlers: Sequence[HandlerRoute] | None = (),
) -> Hall:
    store = Yes()
    config = Config(sources={each.name: each for each in sources or (source(),)})
    ingest = Ingest(store, build(config, 1_800_000_000), Router((), handlers, "production"), limits=limits)
    door = Door(ingest, limits=door_limits, trusted_proxies=networks(trusted, "trusted"))
    door.tick(1_000.0)
    return Hall(ingest, store, door)
