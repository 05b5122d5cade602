"""Fetches the public keys that providers keep at a URL, in the background: no request waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from hookline.destinations.client import CallFailed, Client
from hookline.destinations.netguard import Blocked, Guard, read_url
from hookline.errors import ConfigError
from hookline.providers import Keys

log = structlog.get_logger("hookline.keys")

_LOOK = 0.5
_SECONDS = 10.0
AGAIN = 60.0
"""Seconds between two fetches of one URL: strangers choose key ids, and must not make us knock for each."""


async def fetch_wanted(keys: Keys, allow_private: Sequence[str]) -> None:
    """For ever: fetch what ``keys`` wants, through the guard that everything goes through that leaves."""
    fetched: dict[str, float] = {}
    while True:
        await asyncio.sleep(_LOOK)
        if keys.wanted:
            client = Client(Guard(allow_private))
            try:
                await fetch_due(client, keys, fetched, time.monotonic())
            finally:
                await client.close()


async def fetch_due(client: Client, keys: Keys, fetched: dict[str, float], now: float) -> None:
    """Fetch each wanted URL that was not fetched within the last minute. ``fetched`` remembers when."""
    for url in list(keys.wanted):
        if now - fetched.get(url, -AGAIN) >= AGAIN:
            fetched[url] = now
            await _fetch(client, keys, url)


async def _fetch(client: Client, keys: Keys, url: str) -> None:
    try:
        answer = await client.send("GET", read_url(url), [(b"Accept-Encoding", b"identity")], b"", seconds=_SECONDS)
        if answer.status != 200:
            raise ValueError(f"the answer was {answer.status}")
        count = keys.put(url, answer.body)
    except (Blocked, CallFailed, ConfigError, ValueError) as trouble:
        log.error("keys not fetched", url=url, problem=str(trouble), again_in=AGAIN, answer=503)
    else:
        log.info("keys fetched", url=url, count=count)
