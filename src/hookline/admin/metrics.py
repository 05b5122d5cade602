"""``/metrics``: what the processes of this machine counted, summed, and what the store says of the queue."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from hookline import telemetry
from hookline.admin import pages
from hookline.admin.http import Reception
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Desk, Person, perform
from hookline.config import Config

if TYPE_CHECKING:
    from hookline.store.sqlite.store import SqliteStore as Store

Scrape = Callable[[], Awaitable[list[str]]]


async def text(desk: Desk, scrape: Scrape) -> Response:
    """What this process, the others and the store have to say."""
    from hookline.admin.gauges import Queue  # brings the Prometheus client with it
    from hookline.telemetry.exposition import CONTENT_TYPE, Counted, Summed, exposition

    page = await perform(OPERATIONS["list_destinations"], desk, {}, strict=True)
    own = exposition(Counted(telemetry.counters)).decode()
    scrapes = [own, *await scrape()]
    return Response(exposition(Summed(scrapes), Queue(page.data, desk.now)), headers={"content-type": CONTENT_TYPE})


def routes(reception: Reception, scrape: Scrape) -> list[BaseRoute]:
    async def metrics(request: Request) -> Response:
        desk = await pages.reader(reception, request)
        return desk if isinstance(desk, Response) else await text(desk, scrape)

    return [Route("/metrics", metrics)]


def alone(store: Store, config: Callable[[], Config], scrape: Scrape) -> Starlette:
    """Metrics for whoever can reach the address that ``server.metrics`` names."""

    async def metrics(_request: Request) -> Response:
        desk = Desk(store=store, config=config(), who=Person("metrics", "viewer"), now=time.time())
        return await text(desk, scrape)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz)])
