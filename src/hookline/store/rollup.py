"""Counts and durations a minute, gathered over a batch and added in its transaction."""

from __future__ import annotations

import math
from collections import Counter

SMALLEST = 0.0001
PER_OCTAVE = 4


def bucket(seconds: float) -> int:
    """The log bucket of a duration: four to each doubling above 0.1 ms, 0 for all below."""
    if seconds <= SMALLEST:
        return 0
    return 1 + int(math.log2(seconds / SMALLEST) * PER_OCTAVE)


def bounds(number: int) -> tuple[float, float]:
    """The seconds between which a bucket's durations lie."""
    if number <= 0:
        return 0.0, SMALLEST
    return SMALLEST * 2.0 ** ((number - 1) / PER_OCTAVE), SMALLEST * 2.0 ** (number / PER_OCTAVE)


class Rollup:
    """What one batch adds."""

    def __init__(self, now: float) -> None:
        self.minute = int(now // 60)
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        self.durations: Counter[tuple[str, str, str, int]] = Counter()
        self.deliveries: Counter[tuple[str, str]] = Counter()

    def count(self, metric: str, source: str, destination: str, outcome: str) -> None:
        self.counts[metric, source, destination, outcome] += 1

    def took(self, metric: str, source: str, destination: str, seconds: float) -> None:
        self.durations[metric, source, destination, bucket(seconds)] += 1

    def moved(self, destination: str, left: str | None, entered: str, count: int = 1) -> None:
        """``count`` deliveries went from one state into another (from none when they are new)."""
        if left != entered:
            if left is not None:
                self.deliveries[destination, left] -= count
            self.deliveries[destination, entered] += count
