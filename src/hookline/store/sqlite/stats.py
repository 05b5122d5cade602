"""What happened and what waits, out of roll-ups: nobody counts rows.

Counts lie in minutes at first, after an hour and a half in steps of five, after two days in hours: a span that begins
there is widened to whole steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from hookline.pacing import Phase
from hookline.store.records import DestinationRow, Percentiles, Point, Totals
from hookline.store.rollup import bounds
from hookline.store.sqlite.claim import load_pace
from hookline.store.sqlite.control import list_workers
from hookline.store.sqlite.tx import Row, Tx

LEVELS = ((90, 5), (2_880, 60))
"""Minutes after which a step of so many minutes becomes one of them."""


def totals(tx: Tx, since: float, until: float, source: str | None = None, destination: str | None = None) -> Totals:
    """Counts and percentiles of whole minutes between two moments (unix seconds)."""
    span = _span(tx, since, until)
    where = {**span, "source": source, "destination": destination}
    found = _empty(span)
    for metric, outcome, count in tx.run("sum_counters", **where):
        counts = {"requests": found.requests, "events": found.events, "attempts": found.attempts}.get(metric)
        if counts is not None:
            counts[outcome] = count
    found.durations = _percentiles(tx.run("sum_histograms", **where))
    return found


def by_source(tx: Tx, since: float, until: float) -> dict[str, Totals]:
    """Requests and events of each source; unknown paths under ``""``."""
    return _grouped(tx, "counters_by_source", since, until)


def by_destination(tx: Tx, since: float, until: float) -> dict[str, Totals]:
    """Attempts of each destination."""
    return _grouped(tx, "counters_by_destination", since, until)


def series(
    tx: Tx,
    metric: str,
    since: float,
    until: float,
    step: int,
    source: str | None = None,
    destination: str | None = None,
) -> list[Point]:
    """A line for a chart, a point for every ``step`` minutes that has something to show. ``metric`` is ``requests``,
    ``events`` or ``attempts`` for counts by outcome; ``lag``, ``wait`` or ``took`` for percentiles."""
    span = {
        **_span(tx, since, until),
        "source": source,
        "destination": destination,
        "metric": metric,
        "step": max(1, step),
    }
    points: dict[int, Point] = {}
    for first, outcome, count in tx.run("counter_series", **span):
        points.setdefault(first, Point(at=first * 60.0)).counts[outcome] = count
    buckets: dict[int, list[Row]] = {}
    for first, bucket, count in tx.run("histogram_series", **span):
        buckets.setdefault(first, []).append((metric, bucket, count))
    for first, rows in buckets.items():
        points.setdefault(first, Point(at=first * 60.0)).percentiles = _percentiles(rows)[metric]
    return [points[first] for first in sorted(points)]


def list_destinations(tx: Tx) -> list[DestinationRow]:
    """Every destination that has deliveries, a worker or a state of its own, by name."""
    counts: dict[str, dict[str, int]] = {}
    for name, state, count in tx.run("delivery_counts"):
        counts.setdefault(name, {})[state] = count
    states = {row[0]: row[1:] for row in tx.run("destination_rows")}
    takers: dict[str, int] = {}
    for worker in list_workers(tx):
        for name in worker.destinations:
            takers[name] = takers.get(name, 0) + 1
    return [
        _destination(tx, name, counts.get(name, {}), states.get(name), takers.get(name, 0))
        for name in sorted({*counts, *states, *takers})
    ]


def last_events(tx: Tx) -> dict[str, float]:
    """When each source was heard of last (unix seconds)."""
    found = {}
    for (source,) in tx.run("event_sources"):
        row = tx.one("latest_of_source", source=source)
        if row is not None:
            found[source] = float(row[0])
    return found


def fold(tx: Tx) -> bool:
    """One bite of upkeep: a step of what lies long enough is put together, of all writers. True if there is more."""
    _fold_delivery_counts(tx)
    return any(_fold(tx, age, step) for age, step in LEVELS)


def _fold(tx: Tx, age: int, step: int) -> bool:
    name = f"folded_{step}"
    done = tx.one("meta", name=name)
    row = tx.one("next_minute", since=int(done[0]) if done is not None else 0, before=_folded_before(tx, age, step))
    if row is None or row[0] is None:
        return False
    first = int(row[0]) // step * step
    for read, drop, add in (
        ("counters_of_step", "drop_counters_of_step", "add_counters"),
        ("histograms_of_step", "drop_histograms_of_step", "add_histograms"),
    ):
        sums = tx.run(read, first=first, step=step)
        tx.run(drop, first=first, step=step)
        tx.bulk(add, [(first, *key, 0, count) for *key, count in sums])
    tx.run("set_meta", name=name, value=str(first + step))
    return True


def _folded_before(tx: Tx, age: int, step: int) -> int:
    """The minute before which steps of that size may have been put together."""
    return (int(tx.now // 60) - age) // step * step


def percentiles(buckets: Sequence[tuple[int, int]]) -> Percentiles:
    """Of merged log buckets, given ascending as (bucket, count): each answer lies within its bucket."""
    total = sum(count for _, count in buckets)
    return Percentiles(total, *(_at(buckets, total * share) for share in (0.5, 0.95, 0.99)))


def _at(buckets: Sequence[tuple[int, int]], rank: float) -> float:
    seen = 0
    for bucket, count in buckets:
        seen += count
        if seen >= rank and count:
            low, high = bounds(bucket)
            return math.sqrt(low * high) if low else high
    return 0.0


def _percentiles(rows: Sequence[Row]) -> dict[str, Percentiles]:
    merged: dict[str, list[tuple[int, int]]] = {}
    for metric, bucket, count in rows:
        merged.setdefault(metric, []).append((bucket, count))
    return {metric: percentiles(buckets) for metric, buckets in merged.items()}


def _span(tx: Tx, since: float, until: float) -> dict[str, int]:
    """Whole minutes; whole steps where they have been put together."""
    first, last = int(since // 60), math.ceil(until / 60)
    for age, step in LEVELS:
        if first < _folded_before(tx, age, step):
            first = first // step * step
    return {"since": first, "until": max(first, last)}


def _empty(span: dict[str, int]) -> Totals:
    return Totals(since=span["since"] * 60.0, until=span["until"] * 60.0)


def _grouped(tx: Tx, statement: str, since: float, until: float) -> dict[str, Totals]:
    span = _span(tx, since, until)
    found: dict[str, Totals] = {}
    for name, metric, outcome, count in tx.run(statement, **span):
        row = found.setdefault(name, _empty(span))
        {"requests": row.requests, "events": row.events, "attempts": row.attempts}[metric][outcome] = count
    return found


def _destination(
    tx: Tx, name: str, counts: dict[str, int], row: Sequence[object] | None, workers: int
) -> DestinationRow:
    state, reason, changed_at = row if row is not None else ("open", None, None)
    _, pace = load_pace(tx, name)
    if state == "open" and pace.phase in (Phase.OPEN, Phase.HALF_OPEN):
        state, reason, changed_at = "broken", "most of the last attempts failed", pace.since
    due = tx.one("next_due", destination=name)
    oldest = due[0] if due is not None and due[0] is not None and due[0] <= tx.now else None
    found = {
        "name": name,
        "state": state,
        "reason": reason,
        "changed_at": changed_at,
        "counts": counts,
        "oldest_due_at": oldest,
        "workers": workers,
    }
    return msgspec.convert(found, DestinationRow)


def _fold_delivery_counts(tx: Tx) -> None:
    """Every process that ever wrote has rows of its own."""
    row = tx.one("writers_of_delivery_counts")
    if row is None or row[0] < 16:
        return
    sums = tx.run("delivery_counts")
    tx.run("drop_delivery_counts")
    tx.bulk("add_delivery_counts", [(destination, state, 0, count) for destination, state, count in sums])
