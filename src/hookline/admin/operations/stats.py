"""Counts of a span of time, and whether all is well. From roll-ups and counters: nobody counts rows."""

from __future__ import annotations

import asyncio
import datetime as dt
from importlib import metadata
from pathlib import Path
from typing import Annotated, cast

from msgspec import Meta

from hookline.admin import checkup, dress
from hookline.admin.objects import Check, Destination, Health, Source, State, Stats, at, seconds_of
from hookline.admin.operations.base import Ask, Desk, Nothing, Trouble, operation
from hookline.admin.operations.destinations import list_destinations
from hookline.admin.operations.sources import list_sources
from hookline.secrets import mask_password

DAY = 86_400.0
LONGEST_SPAN = 400 * DAY
WITHOUT_WORKER = (
    "start one that has it: `hookline serve APP`; was it renamed, `hookline replay -q 'destination:{0}' --to NEW`"
    " and `hookline deliveries cancel -q 'destination:{0}'`"
)


class Span(Ask):
    since: Annotated[dt.datetime | None, Meta(description="From; 24 hours before `until` without it.")] = None
    until: Annotated[dt.datetime | None, Meta(description="To; now without it.")] = None
    source: Annotated[str | None, Meta(description="Only of this source.")] = None
    destination: Annotated[str | None, Meta(description="Only attempts of this destination.")] = None


@operation("GET", "/stats")
async def show_stats(desk: Desk, ask: Span) -> Stats:
    """Counts of a span of time, and what waits now."""
    until = _seconds(ask.until, desk.now)
    since = _seconds(ask.since, until - DAY)
    if not since < until or until - since > LONGEST_SPAN:
        raise Trouble("since: must be before until, by no more than 400 days")
    found = await desk.store.totals(since, until, source=ask.source, destination=ask.destination)
    rows = [row for row in await _destinations(desk) if ask.destination in (None, row.name)]
    oldest = [row.oldest_pending_at for row in rows if row.oldest_pending_at is not None]
    return Stats(
        since=at(since),
        until=at(until),
        requests=found.requests,
        events=found.events,
        attempts=found.attempts,
        waiting=sum(row.deliveries.pending for row in rows),
        oldest_pending_at=min(oldest, default=None),
        failed=sum(row.deliveries.failed for row in rows),
        needs_review=sum(row.deliveries.needs_review for row in rows),
        lag_ms=dress.durations(found.durations.get("lag")),
        wait_ms=dress.durations(found.durations.get("wait")),
        took_ms=dress.durations(found.durations.get("took")),
    )


@operation("GET", "/health")
async def show_health(desk: Desk, ask: Nothing) -> Health:
    """Whether this installation is well, and what to do where it is not."""
    workers = await desk.store.list_workers()
    apps = await desk.store.published_apps()
    checks = await asyncio.to_thread(checkup.machine, desk.config, Path(desk.store.path))
    checks += [_of_source(row) for row in (await list_sources(desk, Nothing())).data if row.state == "unusable"]
    for row in await _destinations(desk):
        checks += _of_destination(row, desk.now, desk.config.delivery.no_worker_alarm)
    checks += [
        Check(name=f"app {app.app}", state="problem", what=app.error.strip().splitlines()[-1], cure="mend its import")
        for app in apps
        if app.error.strip()
    ]
    return Health(
        state=cast(State, checkup.worst(checks)),
        version=metadata.version("hookline"),
        store=mask_password(desk.config.server.store),
        workers=[worker.name for worker in workers],
        checks=checks,
    )


def _seconds(moment: dt.datetime | None, otherwise: float) -> float:
    if moment is None:
        return otherwise
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


async def _destinations(desk: Desk) -> list[Destination]:
    return (await list_destinations(desk, Nothing())).data


def _of_source(row: Source) -> Check:
    why, _, cure = (row.reason or "").partition(" — ")
    what = f"webhooks are answered 503: {why}"
    cure = cure or "`hookline check` says where it is written"
    return Check(name=f"source {row.name}", state="problem", what=what, cure=cure)


def _of_destination(row: Destination, now: float, patience: float) -> list[Check]:
    name, found = f"destination {row.name}", []
    if row.deliveries.pending and not row.workers:
        waited = now - seconds_of(row.oldest_pending_at) if row.oldest_pending_at else 0.0
        state: State = "problem" if waited > patience else "warning"
        what = f"no worker has {row.name}: {row.deliveries.pending:,} wait"
        found.append(Check(name=name, state=state, what=what, cure=WITHOUT_WORKER.format(row.name)))
    if row.state == "broken":
        what = f"deliveries wait because it keeps failing: {row.reason or ''}".rstrip(": ")
        found.append(Check(name=name, state="problem", what=what, cure="it is tried again by itself"))
    if row.state == "paused":
        what = f"is paused: {row.reason}" if row.reason else "is paused"
        found.append(Check(name=name, state="warning", what=what, cure=f"`hookline destinations resume {row.name}`"))
    if row.deliveries.failed:
        cure = f"`hookline replay -q 'destination:{row.name} state:failed'` once the cause is gone"
        found.append(Check(name=name, state="warning", what=f"{row.deliveries.failed:,} failed", cure=cure))
    if row.deliveries.needs_review:
        cure = f"`hookline events list -q 'destination:{row.name} status:needs_review'`"
        what = f"{row.deliveries.needs_review:,} to review"
        found.append(Check(name=name, state="warning", what=what, cure=cure))
    return found
