"""Requests: what arrived at the door, also what was turned away; and judging it again."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Annotated

from msgspec import Meta

from hookline.admin import dress
from hookline.admin.objects import Page, Request, StoryRequest, Verdict
from hookline.admin.operations.base import Ask, Conflict, Desk, NotFound, Trouble, operation
from hookline.admin.operations.bound import with_secrets
from hookline.admin.operations.find import ById, Listing, number_of, page
from hookline.admin.operations.trigger import find_source
from hookline.model import Request as StoredRequest
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


class Verify(Ask):
    name: Annotated[str, Meta(description="The source.")]
    headers: Annotated[list[tuple[str, str]], Meta(description="Name and value pairs, as received.")]
    body: Annotated[str, Meta(description="The body as text; or `body_base64`.")] = ""
    body_base64: Annotated[str | None, Meta(description="The exact bytes of the body.")] = None
    method: str = "POST"
    url: Annotated[
        str, Meta(description="Path and query, or the URL, that it was sent to; the source's own without.")
    ] = ""
    received_at: Annotated[dt.datetime | None, Meta(description="When it came; now without.")] = None


@operation("POST", "/sources/{name}/verify", role="operator")
async def verify_request(desk: Desk, ask: Verify) -> Verdict:
    """Say by name why a request is not genuine: one that was copied from somewhere, with this source's secrets."""
    from hookline.admin.operations.judge import secrets_of_others, verdict  # brings all providers with it

    source = find_source(desk.config, ask.name)
    bound, texts = await with_secrets(desk, source)
    try:
        body = ask.body.encode() if ask.body_base64 is None else base64.b64decode(ask.body_base64, validate=True)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in ask.headers]
    except (ValueError, UnicodeError) as problem:
        raise Trouble(f"headers, body: {problem}") from None
    target = "/" + ask.url.partition("://")[2].partition("/")[2] if "://" in ask.url else ask.url or source.path
    request = StoredRequest(
        method=ask.method,
        target=target.encode("utf-8", "replace"),
        headers=headers,
        body=body,
        received_at=desk.now if ask.received_at is None else ask.received_at.timestamp(),
    )
    return verdict(bound, texts, request, await secrets_of_others(desk, source.name))


async def _find(desk: Desk, name: str) -> RequestStory:
    told: RequestStory | None = await desk.store.request(number_of("req", name))
    if told is None:
        raise NotFound(f"there is no request {name} (any more)")
    return told
