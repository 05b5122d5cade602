"""Destinations: what waits for whom; holding back and letting go."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hookline.admin.objects import Counts, Destination, Page, moment
from hookline.admin.operations.base import Ask, Desk, NotFound, Nothing, operation
from hookline.admin.operations.trigger import Name, unknown
from hookline.store.records import DestinationRow


class Pause(Ask):
    name: str
    reason: Annotated[str, Meta(max_length=200, description="Shown to everybody who wonders.")] = ""


@operation("GET", "/destinations")
async def list_destinations(desk: Desk, ask: Nothing) -> Page[Destination]:
    """List destinations with what waits for them: those of the file, of published apps, and of old deliveries."""
    kinds = await _kinds(desk)
    rows = {row.name: row for row in await desk.store.list_destinations()}
    names = [*kinds, *(name for name in rows if name not in kinds)]
    return Page(data=[_dressed(name, kinds.get(name), rows.get(name)) for name in names])


@operation("POST", "/destinations/{name}/pause", role="operator")
async def pause_destination(desk: Desk, ask: Pause) -> Destination:
    """Hold back deliveries to a destination. They stay in the queue and use up no attempt."""
    await _find(desk, ask.name)
    await desk.store.pause(ask.name, ask.reason, who=desk.who.name)
    return await _find(desk, ask.name)


@operation("POST", "/destinations/{name}/resume", role="operator")
async def resume_destination(desk: Desk, ask: Name) -> Destination:
    """Let deliveries to a destination go again. This also closes its breaker."""
    await _find(desk, ask.name)
    await desk.store.resume(ask.name, who=desk.who.name)
    return await _find(desk, ask.name)


async def _find(desk: Desk, name: str) -> Destination:
    known = {row.name: row for row in (await list_destinations(desk, Nothing())).data}
    if name not in known:
        raise NotFound(unknown("destination", name, known))
    return known[name]


async def _kinds(desk: Desk) -> dict[str, str]:
    """The type of every destination that the file or a published app names."""
    kinds = {name: destination.type for name, destination in desk.config.destinations.items()}
    for app in await desk.store.published_apps():
        kinds |= {handler.name: "python" for handler in app.handlers}
    return kinds


def _dressed(name: str, kind: str | None, row: DestinationRow | None) -> Destination:
    if row is None:
        return Destination(name=name, type=kind or "unknown")
    return Destination(
        name=name,
        type=kind or "unknown",
        state=row.state,
        reason=row.reason or (None if kind else "neither the file nor an app names it any more"),
        deliveries=Counts(**{state: row.counts.get(state, 0) for state in Counts.__struct_fields__}),
        oldest_pending_at=moment(row.oldest_due_at),
        workers=row.workers,
    )
