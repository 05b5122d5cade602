"""``/metrics``: what the processes of this machine counted, summed, and what the store says of the queue."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from hookline import telemetry
from hookline.admin import pages
from hookline.admin.http import Reception
from hookline.admin.objects import Counts, Destination, seconds_of
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Desk, Person, perform
from hookline.config import Config
from hookline.telemetry.exposition import CONTENT_TYPE, Counted, Summed, exposition

if TYPE_CHECKING:
    from hookline.store.sqlite.store import SqliteStore as Store

Scrape = Callable[[], Awaitable[list[str]]]


class Queue(Collector):
    """How many deliveries wait for whom, and for how long: from the store's roll-ups, counted by nobody."""

    def __init__(self, destinations: Sequence[Destination], now: float) -> None:
        self.destinations = destinations
        self.now = now

    def collect(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("hookline_deliveries", "Deliveries by state.", labels=("destination", "state"))
        oldest = GaugeMetricFamily(
            "hookline_oldest_pending_seconds", "Age of the oldest pending delivery.", labels=("destination",)
        )
        shut = GaugeMetricFamily(
            "hookline_destination_open",
            "1 while deliveries go out: neither paused nor broken.",
            labels=("destination",),
        )
        workers = GaugeMetricFamily("hookline_workers", "Workers that take its deliveries.", labels=("destination",))
        for one in self.destinations:
            for state in Counts.__struct_fields__:
                states.add_metric((one.name, state), getattr(one.deliveries, state))
            since = self.now if one.oldest_pending_at is None else seconds_of(one.oldest_pending_at)
            oldest.add_metric((one.name,), max(0.0, self.now - since))
            shut.add_metric((one.name,), float(one.state == "open"))
            workers.add_metric((one.name,), one.workers)
        yield from (states, oldest, shut, workers)


async def text(desk: Desk, scrape: Scrape) -> Response:
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
