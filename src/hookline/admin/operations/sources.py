"""Sources: what the file says, whether it can be used, and when each was heard of last."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hookline.admin.objects import Done, Page, Source, moment
from hookline.admin.operations.base import Ask, Desk, Nothing, operation
from hookline.admin.operations.bound import joined
from hookline.admin.operations.trigger import find_source
from hookline.config import Source as Configured
from hookline.errors import ConfigError
from hookline.secrets import show_reference

EXPECT_SECONDS = 600
"""For which a handshake may bring a source's secret."""


@operation("GET", "/sources")
async def list_sources(desk: Desk, ask: Nothing) -> Page[Source]:
    """List sources: what they are, whether they can be used, and when they were heard of last."""
    last, learned = await desk.store.last_events(), await desk.store.learned_secrets()
    rows = [_source(desk, source, last.get(source.name), learned) for source in desk.config.sources.values()]
    return Page(data=rows)


class Expect(Ask):
    name: Annotated[str, Meta(description="The source's name.")]
    seconds: Annotated[int, Meta(ge=1, le=3_600, description="For how long.")] = EXPECT_SECONDS


@operation("POST", "/sources/{name}/expect", role="operator")
async def expect_secret(desk: Desk, ask: Expect) -> Done:
    """Let the next handshake of a source bring its secret (Asana, Notion), also in the place of an older one."""
    find_source(desk.config, ask.name)
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
    from hookline import providers  # all of them

    if source.retired:
        return "retired", None
    try:
        bound, texts = joined(desk, source, learned)
        providers.bind(bound, texts)
    except ConfigError as problem:
        return "unusable", str(problem)
    return "ok", None
