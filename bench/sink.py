"""Where HTTP destinations point: answers 204 at once, or never below ``/hang``. ``python -m bench.sink PORT``."""

from __future__ import annotations

import asyncio
import sys

import uvloop


class Sink(asyncio.Protocol):
    """Reads requests with Content-Length on keep-alive connections and nothing more general."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = b""
        self.missing = 0
        self.hanging = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream gets nothing else

    def data_received(self, data: bytes) -> None:
        if self.missing > len(data):
            self.missing -= len(data)
            return
        self.buffer += data
        while self.buffer:
            if self.missing:
                if len(self.buffer) < self.missing:
                    self.missing -= len(self.buffer)
                    self.buffer = b""
                    return
                self.buffer = self.buffer[self.missing :]
                self.missing = 0
                self.answer()
                continue
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            self.hanging = b" /hang" in head[:40]
            lowered = head.lower()
            at = lowered.find(b"content-length:")
            length = int(lowered[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            self.buffer = rest
            if length:
                self.missing = length
            else:
                self.answer()

    def answer(self) -> None:
        if not self.hanging:
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
