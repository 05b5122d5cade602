"""Sources: what the file says, whether it can be used, and when each was heard of last."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta

from hookline.admin.objects import Done, Page, Source, moment
from hookline.admin.operations.base import Ask, Desk, Nothing, Trouble, operation
from hookline.admin.operations.bound import joined
from hookline.admin.operations.trigger import find_source
from hookline.config import Source as Configured
from hookline.errors import ConfigError
from hookline.secrets import show_reference

MOST_JUDGED = 1_000
_judged: dict[bytes, str | None] = {}

EXPECT_SECONDS = 600
"""For which a handshake may bring a source's secret."""


@operation("GET", "/sources")
async def list_sources(desk: Desk, ask: Nothing) -> Page[Source]:
    """List sources: what they are, whether they can be used, and when they were heard of last."""
    last, learned = await desk.store.last_events(), await desk.store.learned_secrets()
    return Page(data=await asyncio.to_thread(_sources, desk, last, learned))


def _sources(desk: Desk, last: dict[str, float], learned: dict[str, str]) -> list[Source]:
    return [_source(desk, source, last.get(source.name), learned) for source in desk.config.sources.values()]


class Expect(Ask):
    name: Annotated[str, Meta(description="The source's name.")]
    seconds: Annotated[int, Meta(ge=1, le=3_600, description="For how long.")] = EXPECT_SECONDS


@operation("POST", "/sources/{name}/expect", role="operator")
async def expect_secret(desk: Desk, ask: Expect) -> Done:
    """Let the next handshake of a source bring its secret (Asana, Notion), also in the place of an older one."""
    from hookline import providers  # all of them

    source = find_source(desk.config, ask.name)
    row = providers.PROVIDERS.get(source.provider)
    if row is not None and not row.learns_secret:
        learn = ", ".join(row.title for row in providers.PROVIDERS.values() if row.learns_secret)
        raise Trouble(f"{row.title} sends no secret ({learn} do): write secrets under [sources.{source.name}]")
    await desk.store.expect_secret(ask.name, desk.now + ask.seconds, who=desk.who.name)
    return Done(count=1)


def _source(desk: Desk, source: Configured, last: float | None, learned: dict[str, str]) -> Source:
    state, reason = _state(desk, source, learned)
    return Source(
        name=source.name,
        provider=source.provider,
        environment=source.environment,
        path=source.path,
        url=source.url or None,
        state=state,
        reason=reason,
        secrets=[show_reference(secret.ref) for secret in source.secrets],
        last_event_at=moment(last),
        owner=source.doc.owner or None,
    )


def _state(desk: Desk, source: Configured, learned: dict[str, str]) -> tuple[str, str | None]:
    if source.retired:
        return "retired", None
    try:
        bound, texts = joined(desk, source, learned)
    except ConfigError as problem:
        return "unusable", str(problem)
    trouble = _trouble(bound, texts)
    return ("unusable", trouble) if trouble else ("ok", None)


def _trouble(source: Configured, secrets: tuple[str, ...]) -> str | None:
    """Why a source cannot verify anything, if so. Parsing keys takes milliseconds, and the answer stays the same while
    source and secrets do: it is remembered, they are not."""
    from hookline import providers  # all of them

    key = blake2b(msgspec.json.encode((source, secrets)), digest_size=16).digest()
    if key not in _judged:
        try:
            providers.bind(source, secrets)
            trouble = None
        except ConfigError as problem:
            trouble = str(problem)
        if len(_judged) > MOST_JUDGED:
            _judged.clear()
        _judged[key] = trouble
    return _judged[key]
