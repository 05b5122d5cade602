"""``hookline status``: what waits, what runs, what failed."""

from __future__ import annotations

import time

import click

from hookline.admin.objects import Destination, Health, Stats, at, seconds_of
from hookline.cli import output, show
from hookline.cli.client import connect
from hookline.cli.options import options, reads
from hookline.cli.output import plural
from hookline.payload import visible

DAY = 86_400.0
BAR = 24
NAMES = {"retry": "to be retried", "needs_review": "to review"}


@click.command()
@reads
def status() -> None:
    """Show what waits, what runs and what failed."""
    now = time.time()
    with connect() as client:
        stats: Stats = client.call("show_stats", since=at(now - DAY))
        rows: list[Destination] = client.call("list_destinations").data
        sources = client.call("list_sources").data
        health: Health = client.call("show_health")
    if options().json:
        output.objects([{"stats": stats, "destinations": rows, "sources": sources, "health": health}])
        return
    output.say(f"{_counts('request', stats.requests)} in 24 h")
    output.say(f"{_counts('attempt', stats.attempts)}")
    waiting = f"{stats.waiting:,} waiting"
    if stats.oldest_pending_at:
        waiting += f", the oldest since {output.ago(now - seconds_of(stats.oldest_pending_at))}"
    output.say(waiting)
    if stats.failed or stats.needs_review:
        output.say(output.paint(f"{stats.failed:,} failed, {stats.needs_review:,} to review", "red"))
    if stats.took_ms:
        took = "  ".join(f"{name} {output.ago(ms / 1000)}" for name, ms in stats.took_ms.items())
        output.say(f"attempts took {took}")
    if rows:
        output.say()
        _bars(rows)
    if sources:
        output.say()
        show.sources(sources, now)
    for check in health.checks:
        if check.state != "ok":
            cure = f" — {visible(check.cure)}" if check.cure else ""
            about = f"{visible(check.name)}: {visible(check.what)}"
            output.say(f"\n{output.paint_state(check.state)}: {about}{cure}")


def _counts(noun: str, found: dict[str, int]) -> str:
    parts = ", ".join(f"{count:,} {NAMES.get(name, name)}" for name, count in found.items() if count)
    return plural(sum(found.values()), noun) + (f" ({parts})" if parts else "")


def _bars(rows: list[Destination]) -> None:
    """Pending deliveries of each destination beside each other."""
    most = max(row.deliveries.pending for row in rows) or 1
    width = max(output.width_of(visible(row.name)) for row in rows)
    for row in rows:
        bar = "█" * -(-row.deliveries.pending * BAR // most)
        note = "" if row.state == "open" else f"  {output.paint_state(row.state)} {visible(row.reason or '')}"
        failed = output.paint(f"  {row.deliveries.failed:,} failed", "red") if row.deliveries.failed else ""
        name = output.fit(visible(row.name), width)
        output.say(f"{name}  {bar:<{BAR}} {row.deliveries.pending:,} pending{failed}{note}".rstrip())
