"""An HTTP endpoint on 127.0.0.1 that behaves as badly as its URL says."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Write = Callable[[bytes], Awaitable[None]]


class Received:
    """One request, as it came in."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.line, *lines = head.decode("latin-1").split("\r\n")
        self.headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.body = body

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Evil:
    """``answers`` maps a path to what it does; ``received`` is what came."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[Received] = []
        self.connections = 0
        self.held: list[asyncio.StreamWriter] = []
        self.answers: dict[str, bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]] = {}

    def url(self, path: str, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                size = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                request = Received(head, await reader.readexactly(size))
                self.received.append(request)
                path = request.line.split(" ")[1]
                answer = self.answers.get(path, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def hang(self, writer: asyncio.StreamWriter) -> None:
        self.held.append(writer)
        await asyncio.Event().wait()

    @staticmethod
    async def close(writer: asyncio.StreamWriter) -> None:
        writer.close()
        raise ConnectionError

    @staticmethod
    async def reset(writer: asyncio.StreamWriter) -> None:
        """A RST instead of a FIN."""
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise ConnectionError

    @staticmethod
    def then(data: bytes, end: Callable[[asyncio.StreamWriter], Awaitable[None]]):
        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(data)
            await writer.drain()
            await end(writer)

        return answer

    @staticmethod
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    @staticmethod
    async def endless_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 8_000 + b"\r\n")
            await writer.drain()


@asynccontextmanager
async def evil(tls: ssl.SSLContext | None = None) -> AsyncIterator[Evil]:
    endpoint = Evil()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, ssl=tls, limit=1 << 22)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        server.close()
        for task in asyncio.all_tasks():
            if getattr(task.get_coro(), "__qualname__", "") == "Evil.serve":
                task.cancel()
        for writer in endpoint.held:
            writer.close()
        await asyncio.sleep(0)
