"""Fetches the public keys that providers keep at a URL, in the background: no request waits for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import msgspec
import structlog

from hookline.destinations.client import CallFailed, Client
from hookline.destinations.netguard import Blocked, Guard, read_url
from hookline.errors import ConfigError
from hookline.providers import Keys
from hookline.providers.keys import MAX_WANTED

log = structlog.get_logger("hookline.keys")

_LOOK = 0.5
_SECONDS = 10.0
_AT_ONCE = 4
AGAIN = 60.0
"""Seconds between two fetches of one URL: strangers choose key ids, and must not make us knock for each."""
MOST = 60
"""Fetches within those seconds, of all URLs together: strangers choose the names of certificates too."""


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
    """Fetch each wanted URL that was not fetched within the last minute. ``fetched`` remembers when.

    What strangers invent must not keep out what is really needed, as there is room for a few URLs only: a URL that
    failed has to be wanted anew, those that are left are forgotten when there is no room for another, and chance
    decides whose turn it is.
    """
    for url in [url for url, at in fetched.items() if now - at >= AGAIN]:
        del fetched[url]
    due = [url for url in keys.wanted if url not in fetched]
    random.shuffle(due)
    for url in due[: max(0, MOST - len(fetched))]:
        fetched[url] = now
        await _fetch(client, keys, url)
        keys.wanted.pop(url, None)
    if len(keys.wanted) >= MAX_WANTED:
        keys.wanted.clear()


async def _fetch(client: Client, keys: Keys, url: str) -> None:
    question = keys.questions.get(url)
    try:
        if question is None:
            count = keys.put(url, await _ask(client, "GET", url, b""))
        else:
            count = await _ask_for_each(client, keys, url, question)
    except (Blocked, CallFailed, ConfigError, ValueError) as trouble:
        log.error("keys not fetched", url=url, problem=str(trouble), again_in=AGAIN, answer=503)
    else:
        log.info("keys fetched", url=url, count=count)


async def _ask_for_each(client: Client, keys: Keys, url: str, question: dict[str, str]) -> int:
    """Keys that are given one by one: a few of those that are wanted, as strangers can want any. What is left unasked
    is wanted again by the next request that names it."""
    asked = list(keys.wanted.pop(url))[:_AT_ONCE]
    count, trouble = 0, ValueError("no key wanted")
    for kid in asked:
        try:
            count += keys.put(url, await _ask(client, "POST", url, msgspec.json.encode(question | {"key_id": kid})))
        except ValueError as problem:
            trouble = problem
    if not count:
        raise trouble
    return count


async def _ask(client: Client, method: str, url: str, body: bytes) -> bytes:
    """The document at a URL. ValueError for any answer but 200."""
    headers = [(b"Accept-Encoding", b"identity")] + [(b"Content-Type", b"application/json")] * bool(body)
    answer = await client.send(method, read_url(url), headers, body, seconds=_SECONDS)
    if answer.status != 200:
        raise ValueError(f"the answer was {answer.status}")
    return answer.body
