"""The load generator measures what it says, and what it sends is what providers send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bench import load, payloads, report

import hookline


def split(request: bytes) -> tuple[list[tuple[str, str]], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)], body


@pytest.mark.parametrize("kind", ["github", "stripe"])
def test_every_request_is_genuine_and_different(kind: str) -> None:
    requests = payloads.KINDS[kind](f"/webhooks/{kind}", 20)
    seen = set()
    for request in requests:
        headers, body = split(request)
        assert int(dict(headers)["Content-Length"]) == len(body)
        verified = hookline.verify(
            kind,
            method="POST",
            url=f"https://hooks.example.com/webhooks/{kind}",
            headers=headers,
            body=body,
            secrets=[payloads.SECRET.decode()],
            now=time.time(),
        )
        seen.add((verified.events[0].id, body))
    assert len({number for number, _ in seen}) == len({body for _, body in seen}) == len(requests)


@asynccontextmanager
async def answering(replies: list[bytes]) -> AsyncIterator[tuple[str, int]]:
    """A server that gives one reply after the other, each in two pieces, and then the last for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.lower().split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            writer.write(reply[:10])
            await writer.drain()
            writer.write(reply[10:])

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(quietly, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


async def test_each_answer_is_counted_by_its_status() -> None:
    requests = payloads.github7k("/webhooks/github", 40)
    async with answering([OK, FULL, OK]) as address:
        seen = await asyncio.to_thread(load.closed, address, requests, 4, 20.0)
    assert seen.answers == {200: 39, 503: 1}
    assert seen.good == len(seen.latencies) == 39


async def test_an_open_loop_sends_each_request_once() -> None:
    requests = payloads.github7k("/webhooks/github", 30)
    async with answering([OK]) as address:
        seen = await asyncio.to_thread(load.opened, address, requests, 2, 1000.0, 5.0)
    assert seen.answers == {200: 30}


def test_the_page_says_what_was_missed() -> None:
    figure = report.Figure("ratio", "", [0.5, 0.7, 0.2], at_least=0.6)
    result = report.Result("x", "What it is.", "python -m bench x", "now", "here", "abc", [0.1], 1.0, [figure])
    assert figure.median == 0.5
    assert figure.good is False
    assert "| ratio | 0.5  | 0.2 to 0.7 |at least 0.6 | **missed** |" in report.page([result])
