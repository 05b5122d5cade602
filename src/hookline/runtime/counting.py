"""What each process counted, where the others find it: a loopback port a process, its number in a file by the store.

The admin door sums them for ``/metrics``; a role that runs alone is scraped at its own port.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from hookline import telemetry

log = structlog.get_logger("hookline.metrics")

_PATIENCE = 2.0


class Counting:
    """The listener of one process, from its start to its end."""

    def __init__(self, store: Path, role: str) -> None:
        self._folder = _folder(store)
        self._file = self._folder / f"{role}-{os.getpid()}"
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        from hookline.telemetry.exposition import listen

        self._server = await listen(telemetry.counters)
        port = self._server.sockets[0].getsockname()[1]
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._file.write_text(str(port), "ascii")
        log.info("metrics", at=f"http://127.0.0.1:{port}/metrics")

    def stop(self) -> None:
        self._file.unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()


def others(store: Path) -> Callable[[], Awaitable[list[str]]]:
    """Fetches what the other processes of this store counted; forgets those that are gone."""
    folder = _folder(store)

    async def scrape() -> list[str]:
        listed = _listed(folder)
        found = await asyncio.gather(*(_scrape(port) for port in listed.values()))
        for file, text in zip(listed, found, strict=True):
            if text is None:
                file.unlink(missing_ok=True)
        return [text for text in found if text]

    return scrape


async def _scrape(port: int) -> str | None:
    """The text; empty where it did not come in time, None where nobody listens any more."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            return body.decode() if head.startswith(b"HTTP/1.1 200") else ""
    except ConnectionRefusedError:
        return None
    except (OSError, TimeoutError):
        return ""


def _listed(folder: Path) -> dict[Path, int]:
    """The other processes' files and ports."""
    found = {}
    for file in sorted(folder.glob("*-*")):
        if not file.name.endswith(f"-{os.getpid()}"):
            with suppress(OSError, ValueError):
                found[file] = int(file.read_text("ascii"))
    return found


def _folder(store: Path) -> Path:
    return store.with_name(store.name + "-metrics")
