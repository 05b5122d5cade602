"""Judging a stored request again, as of the moment it came, and keeping it if it is genuine after all."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from hookline import ids, providers
from hookline.admin.objects import Finding, Verdict
from hookline.admin.operations.base import Conflict, Desk
from hookline.admin.operations.bound import joined, with_secrets
from hookline.admin.operations.replays import router
from hookline.admin.operations.trigger import find_source
from hookline.config import Source
from hookline.errors import ConfigError, Rejected, Unavailable
from hookline.ingest.arrivals import arrival
from hookline.ingest.entries import Entry
from hookline.ingest.leaks import without_secret
from hookline.model import Receipt, Reply, Request, Verified
from hookline.providers import diagnose
from hookline.store.records import RequestStory


async def judge(desk: Desk, told: RequestStory, *, keep: bool) -> Verdict:
    """The verdict on a stored request. With ``keep``, a rejected one that is genuine becomes its events.

    :raises ConfigError: where the source's secrets cannot be used now.
    """
    shown = ids.show("req", told.request.id)
    if told.request.source is None:
        raise Conflict(f"{shown} came to a path that no source has: there is no secret to judge it by")
    source = find_source(desk.config, told.request.source)
    bound, texts = await with_secrets(desk, source)
    verifier = providers.bind(bound, texts)
    request = stored(told)
    try:
        found = verifier.check(request, request.received_at)
    except Rejected as no:
        refused = verdict(bound, texts, request, await secrets_of_others(desk, source.name))
        return msgspec.structs.replace(refused, request=shown, reason=no.reason)
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


async def _accept(
    desk: Desk, source: Source, verifier: providers.Verifier, texts: tuple[str, ...], request: Request, found: Verified
) -> tuple[int, ...]:
    entry = Entry(source, verifier, texts)
    if entry.needles.within(request):  # unknown as a secret when it was noted, or it would have been masked then
        request, found = without_secret(entry.needles, request, found)
    [receipt] = await desk.store.accept([arrival(entry, verifier, request, found, await router(desk))])
    if isinstance(receipt, Receipt):
        return receipt.events
    raise receipt


def verdict(source: Source, texts: Sequence[str], request: Request, others: Mapping[str, Sequence[str]]) -> Verdict:
    """Whether a request is genuine as of its arrival, and if not, why, by name."""
    try:
        providers.bind(source, texts).check(request, request.received_at)
    except Rejected as no:
        found = diagnose(source, texts, request, request.received_at, others=others)
        rows = [Finding(name=one.name, what=one.why, cure=one.cure) for one in found]
        return Verdict(genuine=False, reason=no.reason, findings=rows)
    except Unavailable as trouble:
        return Verdict(genuine=False, reason=trouble.reason)
    return Verdict(genuine=True)


async def secrets_of_others(desk: Desk, name: str) -> dict[str, tuple[str, ...]]:
    """The secrets of all other sources, as far as they can be had: mixing them up is the commonest mistake."""
    found, learned = {}, await desk.store.learned_secrets()
    for other in desk.config.sources.values():
        if other.name != name:
            with contextlib.suppress(ConfigError):
                found[other.name] = joined(desk, other, learned)[1]
    return found
