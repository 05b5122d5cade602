"""What the operations share: queries that were typed, names for events, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from hookline import ids, search
from hookline.admin.masking import allow_search
from hookline.admin.objects import Page, moment
from hookline.admin.operations.base import MAX_LIMIT, Ask, Desk, NotFound, Trouble
from hookline.store.records import CursorError, Found

T = TypeVar("T")

Query = Annotated[str, Meta(description="What to find: `source:stripe type:invoice.* status:failed since:2h`.")]
Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many.")]
Cursor = Annotated[str, Meta(description="`next` of the page before.")]


class Listing(Ask):
    q: Query = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ById(Ask):
    id: Annotated[str, Meta(description="A prefixed id.")]


def parsed(desk: Desk, query: str) -> search.Node:
    """The tree of a query. Trouble says where it is wrong, NotAllowed that it looks into marked fields."""
    try:
        node = search.parse(query, desk.now)
    except search.SearchError as problem:
        raise Trouble(f"q: {problem}") from None
    allow_search(desk, node)
    return node


async def page(
    desk: Desk, look: Callable[..., Any], ask: Listing, dress: Callable[[Any], T], query: str | None = None
) -> Page[T]:
    """One page of a list of the store, dressed."""
    try:
        found: Found[Any] = await look(
            parsed(desk, ask.q if query is None else query), limit=ask.limit, cursor=ask.cursor
        )
    except CursorError as problem:
        raise Trouble(f"cursor: {problem}") from None
    except search.SearchError as problem:
        raise Trouble(f"q: {problem}") from None
    rows = [dress(row) for row in found.data]
    return Page(data=rows, next=found.next, scanned_to=moment(found.scanned_to))


async def event_number(desk: Desk, name: str) -> int:
    """The event that is meant by an id, the provider's id, ``latest`` or ``latest TYPE``."""
    number: int | None = await desk.store.find_event(name)
    if number is None:
        raise NotFound(f"there is no event {name[:100]!r} (any more)")
    return number


def number_of(prefix: str, text: str) -> int:
    """The number of a shown id. NotFound for what is none: such a thing cannot be there."""
    read = ids.read(text, prefix)
    if read is None:
        raise NotFound(f"{text[:100]!r} is no {ids.PREFIXES[prefix]} id: they look like {ids.show(prefix, 1 << 60)}")
    return read[1]
