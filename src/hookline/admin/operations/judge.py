"""Judging a stored request again, as of the moment it came, and keeping it if it is genuine after all."""

from __future__ import annotations

from hookline import ids, providers
from hookline.admin.objects import Finding, Verdict
from hookline.admin.operations.base import Conflict, Desk
from hookline.admin.operations.trigger import find_source
from hookline.config import Source, resolved_source
from hookline.errors import Rejected, Unavailable
from hookline.ingest.arrivals import arrival
from hookline.ingest.entries import Entry
from hookline.model import Receipt, Reply, Request, Verified
from hookline.routing import Router
from hookline.store.records import RequestStory


async def judge(desk: Desk, told: RequestStory, *, keep: bool) -> Verdict:
    """The verdict on a stored request. With ``keep``, a rejected one that is genuine becomes its events.

    :raises ConfigError: where the source's secrets cannot be used now.
    """
    shown = ids.show("req", told.request.id)
    if told.request.source is None:
        raise Conflict(f"{shown} came to a path that no source has: there is no secret to judge it by")
    source = find_source(desk.config, told.request.source)
    bound, texts = resolved_source(source, desk.now)
    verifier = providers.bind(bound, texts)
    request = stored(told)
    try:
        found = verifier.check(request, request.received_at)
    except Rejected as no:
        return Verdict(request=shown, genuine=False, reason=no.reason, findings=findings(desk, source, request))
    except Unavailable as trouble:
        raise Conflict(f"{shown} cannot be judged now: {trouble.reason}") from None
    if isinstance(found, Reply):
        return Verdict(request=shown, genuine=True, reason="a handshake: nothing to keep")
    known = told.events
    if keep and told.request.outcome == "rejected" and not known:
        known = list(await _accept(desk, bound, verifier, texts, request, found))
    return Verdict(request=shown, genuine=True, events=[ids.show("evt", number) for number in known])


def stored(told: RequestStory) -> Request:
    """The request as it came, for a verifier."""
    row = told.request
    return Request(
        method=row.method,
        target=row.target,
        headers=told.headers,
        body=told.body or b"",
        received_at=row.received_at,
        peer=row.peer,
    )


async def router(desk: Desk) -> Router:
    """Who wants what now, of the file and of the apps that have published."""
    apps = await desk.store.published_apps()
    handlers = tuple(handler for app in apps for handler in app.handlers)
    wanted = {source.name: source.events for source in desk.config.sources.values()}
    return Router(desk.config.routes, handlers, desk.config.server.environment, wanted=wanted)


async def _accept(
    desk: Desk, source: Source, verifier: providers.Verifier, texts: tuple[str, ...], request: Request, found: Verified
) -> tuple[int, ...]:
    entry = Entry(source, verifier, texts)
    [receipt] = await desk.store.accept([arrival(entry, verifier, request, found, await router(desk))])
    if isinstance(receipt, Receipt):
        return receipt.events
    raise receipt


def findings(desk: Desk, source: Source, request: Request) -> list[Finding]:
    """Why the signature fails, by name, with the cure."""
    return []
