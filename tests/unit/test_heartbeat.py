from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hookline.config import Alerts, Config, Server
from hookline.runtime.heartbeat import heartbeat


class Listener:
    """Takes pings on loopback, and remembers what they asked for."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    async with await asyncio.start_server(made.answer, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ping"
        yield made


def config(url: str, *private: str) -> Config:
    return Config(server=Server(allow_private=private), alerts=Alerts(heartbeat_url=url))


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_somebody_else_is_told_that_all_is_well(listener: Listener) -> None:
    await heartbeat(lambda: config(listener.url, "127.0.0.1"), yes)()
    assert listener.asked == [b"GET /ping HTTP/1.1"]


async def test_nobody_is_told_while_something_is_wrong(listener: Listener) -> None:
    await heartbeat(lambda: config(listener.url, "127.0.0.1"), no)()
    await heartbeat(lambda: config(""), yes)()
    assert listener.asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "no url", "http://169.254.169.254/x"])
async def test_a_ping_that_fails_is_told_and_nothing_else(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    await heartbeat(lambda: config(url, "127.0.0.1"), yes)()
    assert "heartbeat not sent" in "".join(capfd.readouterr())
