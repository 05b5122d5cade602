"""The admin door: JSON API, metrics, live events and a start page. Where the team looks; never where strangers knock.

``build`` makes the ASGI application, ``server`` the process that serves it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hookline.admin import auth
from hookline.config import Config

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from hookline.store.sqlite.store import SqliteStore as Store

Scrape = Callable[[], Awaitable[list[str]]]
"""Fetches the metrics of the other processes of this machine."""


async def no_others() -> list[str]:
    return []


def build(store: Store, config: Callable[[], Config], *, scrape: Scrape = no_others) -> ASGIApp:
    """The whole admin door as one ASGI application.

    ``config`` is asked for each request, so that a reload counts at once. ``scrape`` brings what the other processes
    counted: ``/metrics`` shows the sum.

    :raises ConfigError: for a ``HOOKLINE_ADMIN_TOKEN`` that could be guessed.
    """
    from hookline.admin import live, metrics, pages
    from hookline.admin.guard import Guard, host_of
    from hookline.admin.http import Reception, application

    reception = Reception(store, config, auth.Environment.of_process())
    more = [*pages.routes(reception), *live.routes(reception), *metrics.routes(reception, scrape)]

    def allowed() -> list[str]:
        server = config().server
        return [name for name in (urlsplit(server.admin_url).hostname, host_of(server.admin)) if name]

    return Guard(application(more, reception), allowed)


def build_metrics(store: Store, config: Callable[[], Config], *, scrape: Scrape = no_others) -> ASGIApp:
    """``/metrics`` and ``/healthz`` alone, without a token: for the address that ``server.metrics`` names."""
    from hookline.admin import metrics

    return metrics.alone(store, config, scrape)


async def carry_on(store: Store, config: Config) -> int:
    """A bite of every replay that runs; returns how many do. To be called every second or so."""
    import time

    from hookline.admin.operations import replays
    from hookline.admin.operations.base import Desk, Person

    return await replays.carry_on(Desk(store=store, config=config, who=Person("hookline", "admin"), now=time.time()))


def server(app: ASGIApp) -> uvicorn.Server:
    """A uvicorn server for ``app``; ``await it.serve(sockets=[…])`` runs until ``should_exit`` is set."""
    import uvicorn

    class Server(uvicorn.Server):
        """Signals are the process's own business: it has more to close than this."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the guard needs the connection's own address
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
            limit_concurrency=200,
            h11_max_incomplete_event_size=32_768,
        )
    )


async def first_token(store: Store) -> None:
    """Where nobody could come in yet: make the first admin's token and show it, on a terminal only. Elsewhere say what
    to do, in the log."""
    if auth.Environment.of_process().present or await store.count_tokens():
        return
    if not sys.stderr.isatty():
        import structlog

        structlog.get_logger("hookline.admin").warning(
            "no token yet",
            cure="set HOOKLINE_ADMIN_TOKEN, or `hookline tokens create NAME --role admin` beside the store",
        )
        return
    text, hashed = auth.make_token()
    await store.create_token("first", "admin", hashed, None, who="hookline")
    auth.show_first(text)
