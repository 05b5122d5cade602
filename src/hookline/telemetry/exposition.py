"""What this process counted, as Prometheus reads it; several processes summed; a small listener for one of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from hookline.telemetry.counters import BOUNDS, NAMES, Counters

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MAX_HEAD = 8_192
_PATIENCE = 5.0


class Counted(Collector):
    """The counters of a process as metrics."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters

    def collect(self) -> Iterator[Metric]:
        for name, (help_text, labels) in NAMES.items():
            if name.endswith("_seconds"):
                yield self._histogram(name, help_text, labels)
                continue
            family = CounterMetricFamily(f"hookline_{name}", help_text, labels=labels)
            for values, amount in list(self.counters.sums[name].items()):
                family.add_metric(values, amount)
            yield family

    def _histogram(self, name: str, help_text: str, labels: tuple[str, ...]) -> Metric:
        family = HistogramMetricFamily(f"hookline_{name}", help_text, labels=labels)
        for values, histogram in list(self.counters.histograms[name].items()):
            running = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], list(histogram.buckets), strict=True):
                running += count
                buckets.append((bound, running))
            family.add_metric(values, buckets, histogram.total)
        return family


def exposition(*collectors: Collector) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


class Summed(Collector):
    """The scrapes of several processes as one: samples of the same name and labels are added."""

    def __init__(self, scrapes: Iterable[str]) -> None:
        self.scrapes = list(scrapes)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        totals: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = defaultdict(dict)
        for scrape in self.scrapes:
            for family in text_string_to_metric_families(scrape):
                families.setdefault(family.name, family)
                found = totals[family.name]
                for sample in family.samples:
                    key = (sample.name, tuple(sorted(sample.labels.items())))
                    found[key] = found.get(key, 0.0) + sample.value
        for name, family in families.items():
            total = Metric(name, family.documentation, family.type)
            for (sample_name, labels), value in totals[name].items():
                total.add_sample(sample_name, dict(labels), value)
            yield total


async def listen(counters: Counters, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
    """Serve ``/metrics`` and ``/healthz`` of this process alone; loopback only, for the admin door to sum."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head.split(b" ", 2)[:2], counters))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # whoever asked has gone, or never asked
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port, limit=_MAX_HEAD)


def _response(request: list[bytes], counters: Counters) -> bytes:
    if request == [b"GET", b"/metrics"]:
        return _http(b"200 OK", CONTENT_TYPE, exposition(Counted(counters)))
    if request == [b"GET", b"/healthz"]:
        return _http(b"200 OK", "text/plain", b"ok\n")
    return _http(b"404 Not Found", "text/plain", b"only /metrics and /healthz are here\n")


def _http(status: bytes, content_type: str, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, content_type.encode(), len(body)) + body
