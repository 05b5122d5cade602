"""The door on real sockets, in this process: TLS, renewal, and a stop that loses no answer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from hookline import sockets, telemetry
from hookline.config import Config, SecretRef, Source
from hookline.door import Door, Limits, serve
from hookline.door.tls import context, renew
from hookline.errors import ConfigError
from hookline.ingest import Ingest
from hookline.ingest.entries import build
from hookline.model import Arrival, Receipt, RequestOutcome
from hookline.providers import bind
from hookline.routing import Router

SOURCE = Source(
    name="github",
    provider="github",
    environment="production",
    path="/webhooks/github",
    url="https://hooks.example.com/webhooks/github",
    secrets=(SecretRef(ref="It's a Secret to Everybody"),),
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    telemetry.quiet()


class Gate:
    """A store that answers when it is let."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    def prepare(self, arrival: Arrival) -> Arrival:
        return arrival

    async def accept_prepared(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        self.asked.set()
        await self.open.wait()
        return [Receipt(RequestOutcome.ACCEPTED, (1,)) for _ in arrivals]

    async def note(self, notes: Sequence[Any]) -> None:
        pass


@asynccontextmanager
async def opened(
    tls: ssl.SSLContext | None = None, limits: Limits | None = None
) -> AsyncIterator[tuple[Door, Gate, int]]:
    gate = Gate()
    ingest = Ingest(gate, build(Config(sources={"github": SOURCE}), 0.0), Router((), (), "production"))
    await ingest.start()
    listening = sockets.listen("127.0.0.1:0", "test")
    door = await serve([listening], ingest, tls=tls, limits=limits)
    yield door, gate, listening.getsockname()[1]
    await door.stop(0.0)
    await ingest.stop()


def request(body: bytes = b'{"a": 1}', connection: str = "keep-alive") -> bytes:
    signed = bind(SOURCE, ["It's a Secret to Everybody"]).sign(body, now=0.0, type="push", id="d-1")
    lines = [b"POST /webhooks/github HTTP/1.1", b"Host: a", b"Connection: " + connection.encode()]
    lines += [b"%s: %s" % pair for pair in signed.headers]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
    return int(head[9:12]), head


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def files(authority: trustme.CA, name: str, folder: Path) -> tuple[str, str]:
    issued = authority.issue_cert(name)
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return str(chain), str(key)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return client


async def test_a_request_over_tls(authority: trustme.CA, tmp_path: Path):
    async with opened(context(*files(authority, "hooks.test", tmp_path))) as (door, _, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting(authority), server_hostname="hooks.test"
        )
        for _ in range(2):
            writer.write(request())
            assert (await answer(reader))[0] == 200
        assert [connection.tls for connection in door.connections] == [True]
        writer.write(request(connection="close"))
        assert (await answer(reader))[0] == 200
        assert await reader.read() == b""
        writer.close()


async def test_old_tls_is_refused(authority: trustme.CA, tmp_path: Path):
    old = trusting(authority)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    tls = context(*files(authority, "hooks.test", tmp_path))
    assert tls.minimum_version is ssl.TLSVersion.TLSv1_2  # whether this OpenSSL can speak an older one or not
    async with opened(tls) as (_, _, port):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=old, server_hostname="hooks.test")


async def test_a_renewed_certificate_is_shown_to_the_next_caller(authority: trustme.CA, tmp_path: Path):
    tls = context(*files(authority, "old.test", tmp_path))
    async with opened(tls) as (_, _, port):

        async def shown(name: str) -> asyncio.StreamWriter:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority), server_hostname=name)
            return writer

        first = await shown("old.test")
        renew(tls, *files(authority, "new.test", tmp_path))
        second = await shown("new.test")
        broken = tmp_path / "broken.pem"
        broken.write_text("no certificate")
        with pytest.raises(ConfigError, match=r"server\.certificate: .*broken\.pem"):
            renew(tls, str(broken))
        third = await shown("new.test")
        for writer in (first, second, third):
            writer.close()


async def test_silent_callers_at_a_tls_port_are_counted(authority: trustme.CA, tmp_path: Path):
    tls = context(*files(authority, "hooks.test", tmp_path))
    async with opened(tls, Limits(per_address=3, handshake=60.0)) as (_, _, port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        for reader, _ in silent[3:]:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority), server_hostname="hooks.test")
        silent[0][1].close()
        await silent[0][1].wait_closed()
        while True:  # until the door has seen it go
            try:
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=trusting(authority), server_hostname="hooks.test"
                )
                break
            except (ssl.SSLError, ConnectionError):
                continue
        for each in (writer, *(writer for _, writer in silent)):
            each.close()


async def test_plain_http_at_a_tls_port_is_closed(authority: trustme.CA, tmp_path: Path):
    async with opened(context(*files(authority, "hooks.test", tmp_path))) as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await answer(reader)
        writer.close()


async def test_a_stopping_door_answers_what_is_under_way_and_closes():
    async with opened() as (door, gate, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        gate.open.clear()
        writer.write(request())
        await gate.asked.wait()
        stopping = asyncio.create_task(door.stop(10.0))
        await asyncio.sleep(0)
        gate.open.set()
        status, head = await answer(reader)
        assert (status, b"connection: close" in head) == (200, True)
        assert await reader.read() == b""
        writer.close()
        await stopping
        assert not door.connections
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_an_idle_connection_may_send_once_more_while_the_door_stops():
    async with opened() as (door, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        await answer(reader)
        stopping = asyncio.create_task(door.stop(10.0))
        await asyncio.sleep(0)
        writer.write(request())
        status, head = await answer(reader)
        assert (status, b"connection: close" in head) == (200, True)
        writer.close()
        await stopping


async def test_the_answer_arrives_although_the_body_was_not_read():
    async with opened() as (_, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 200_000)
        assert (await answer(reader))[0] == 413
        writer.close()


async def test_the_answer_arrives_over_tls_although_the_body_was_not_read(authority: trustme.CA, tmp_path: Path):
    async with opened(context(*files(authority, "hooks.test", tmp_path))) as (_, _, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting(authority), server_hostname="hooks.test"
        )
        writer.write(b"POST /webhooks/github HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 100_000)
        assert (await answer(reader))[0] == 413
        writer.close()


async def test_closed_connections_leave_nothing_behind():
    async with opened() as (door, _, port):
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(connection="close"))
            assert (await answer(reader))[0] == 200
            writer.close()
            await writer.wait_closed()
        while door.connections:
            await asyncio.sleep(0)
        assert door.buffered == 0
