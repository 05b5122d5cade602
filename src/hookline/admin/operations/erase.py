"""Erasing: what a query finds loses its content for good; ids and digests stay."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hookline.admin.objects import Done
from hookline.admin.operations.base import Ask, Desk, Trouble, operation
from hookline.admin.operations.find import Query, parsed

PAGE = 500


class Erase(Ask):
    q: Query
    dry_run: Annotated[bool, Meta(description="Only count.")] = False


@operation("POST", "/events/erase", role="admin")
async def erase_events(desk: Desk, ask: Erase) -> Done:
    """Remove bodies, headers, attempts' content and tracebacks of all events that a query finds, for good.

    Ids and digests stay, so that a late copy of an erased event stays gone. Backups made before still hold it.
    """
    if not ask.q.strip():
        raise Trouble("q: say which events; nothing is erased without a query")
    numbers = await _all(desk, ask.q)
    if ask.dry_run:
        return Done(count=len(numbers))
    return Done(count=await desk.store.erase(numbers, who=desk.who.name))


async def _all(desk: Desk, query: str) -> list[int]:
    """Every event that the query finds, however long it takes: half an erasure is none."""
    node, numbers, cursor = parsed(desk, query), [], None
    while True:
        found = await desk.store.list_events(node, limit=PAGE, cursor=cursor)
        numbers += [row.id for row in found.data]
        cursor = found.next
        if cursor is None:
            return numbers
