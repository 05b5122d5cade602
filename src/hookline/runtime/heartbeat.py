"""A dead gateway alerts nobody: while all is well, somebody else is told so every minute, and raises the alarm when
that stops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from hookline.config import Config
from hookline.destinations.client import CallFailed, Client
from hookline.destinations.netguard import Blocked, Guard, read_url

log = structlog.get_logger("hookline.heartbeat")

EVERY = 60.0
SECONDS = 10.0
"""For one ping."""


def heartbeat(config: Callable[[], Config], well: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[None]]:
    """What is to be called every minute: it asks ``well``, and pings ``alerts.heartbeat_url`` if the answer is yes.
    Without a URL it does nothing; a ping that fails is told and not repeated."""

    async def heartbeat() -> None:
        settings = config()
        url = settings.alerts.heartbeat_url
        if not url or not await well():
            return
        client = Client(Guard(settings.server.allow_private), connect_timeout=SECONDS)
        try:
            answer = await client.send("GET", read_url(url), [(b"User-Agent", b"Hookline")], b"", seconds=SECONDS)
            if answer.status >= 400:
                log.warning("heartbeat not taken", status=answer.status)
        except (CallFailed, Blocked) as trouble:
            log.warning("heartbeat not sent", problem=str(trouble), key="alerts.heartbeat_url")
        finally:
            await client.close()

    return heartbeat
