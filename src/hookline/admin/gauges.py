"""How many deliveries wait for whom, and for how long, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hookline.admin.objects import Counts, Destination, seconds_of


class Queue(Collector):
    """From the store's roll-ups: nobody counts rows."""

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
