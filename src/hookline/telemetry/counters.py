"""Counters and histograms of one process, in plain dictionaries: an addition costs less than a microsecond."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

Labels = tuple[str, ...]

BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets, seconds."""

NAMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "requests": ("Requests that were answered at the public door.", ("source", "outcome", "reason")),
    "request_bytes": ("Bytes of request bodies.", ("source",)),
    "request_seconds": ("From the last byte of a request to its answer.", ("source",)),
    "attempts": ("Attempts at deliveries, by what they ended in.", ("destination", "result")),
    "attempt_seconds": ("How long attempts took.", ("destination",)),
}
"""What there is to count: help and label names. ``hookline_<name>`` (``_total``) in Prometheus."""


class Histogram:
    """Counts per bucket, the last one for everything above; and the sum."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0


class Counters:
    """Everything this process has counted since it started. Threads may add: a lost race costs one count at most."""

    def __init__(self) -> None:
        self.sums: dict[str, defaultdict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self.histograms: dict[str, defaultdict[Labels, Histogram]] = defaultdict(lambda: defaultdict(Histogram))

    def add(self, name: str, labels: Labels, amount: float = 1) -> None:
        self.sums[name][labels] += amount

    def observe(self, name: str, labels: Labels, seconds: float) -> None:
        histogram = self.histograms[name][labels]
        histogram.buckets[bisect_left(BOUNDS, seconds)] += 1
        histogram.total += seconds
