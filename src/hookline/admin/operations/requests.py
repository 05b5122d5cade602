"""Requests: what arrived at the door, also what was turned away; and judging it again."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hookline.admin import dress
from hookline.admin.objects import Page, Request, StoryRequest, Verdict
from hookline.admin.operations.base import Ask, Conflict, Desk, NotFound, operation
from hookline.admin.operations.find import ById, Listing, number_of, page
from hookline.store.records import RequestStory


@operation("GET", "/requests")
async def list_requests(desk: Desk, ask: Listing) -> Page[Request]:
    """List requests, the newest first: accepted ones, duplicates, handshakes, and what was rejected and why."""
    return await page(desk, desk.store.list_requests, ask, dress.request)


@operation("GET", "/requests/{id}")
async def show_request(desk: Desk, ask: ById) -> StoryRequest:
    """Show one request as it came."""
    return dress.request_story(desk, await _find(desk, ask.id))


class Reverify(Ask):
    id: Annotated[str, Meta(description="`req_…`")]
    dry_run: Annotated[bool, Meta(description="Only judge; keep nothing.")] = False


@operation("POST", "/requests/{id}/reverify", role="operator")
async def reverify_request(desk: Desk, ask: Reverify) -> Verdict:
    """Judge a stored request again, as of its arrival, with the secrets of now.

    If it was rejected and is genuine after all, it becomes its events, as if it had just come. If it still is not, the
    findings say by name what is wrong.
    """
    from hookline.admin.operations.judge import judge  # brings all providers with it

    told = await _find(desk, ask.id)
    if told.body is None:
        raise Conflict(f"the body of {ask.id} was not kept: only rejected and accepted requests can be judged again")
    return await judge(desk, told, keep=not ask.dry_run)


async def _find(desk: Desk, name: str) -> RequestStory:
    told: RequestStory | None = await desk.store.request(number_of("req", name))
    if told is None:
        raise NotFound(f"there is no request {name} (any more)")
    return told
