"""Sources: what the file says, whether it can be used, and when each was heard of last."""

from __future__ import annotations

from hookline import search
from hookline.admin.objects import Page, Source, moment
from hookline.admin.operations.base import Ask, Desk, operation
from hookline.config import Source as Configured
from hookline.config import resolved_source
from hookline.errors import ConfigError
from hookline.secrets import show_reference


class Nothing(Ask):
    """An operation that takes nothing."""


@operation("GET", "/sources")
async def list_sources(desk: Desk, ask: Nothing) -> Page[Source]:
    """List sources: what they are, whether they can be used, and when they were heard of last."""
    return Page(data=[await _source(desk, source) for source in desk.config.sources.values()])


async def _source(desk: Desk, source: Configured) -> Source:
    state, reason = _state(desk, source)
    last = await desk.store.list_events(search.Term(field="source", value=source.name), limit=1)
    return Source(
        name=source.name,
        provider=source.provider,
        environment=source.environment,
        path=source.path,
        url=source.url or None,
        state=state,
        reason=reason,
        secrets=[show_reference(secret.ref) for secret in source.secrets],
        last_event_at=moment(last.data[0].received_at) if last.data else None,
        owner=source.doc.owner or None,
    )


def _state(desk: Desk, source: Configured) -> tuple[str, str | None]:
    from hookline import providers  # all of them

    if source.retired:
        return "retired", None
    try:
        bound, texts = resolved_source(source, desk.now)
        providers.bind(bound, texts)
    except ConfigError as problem:
        return "unusable", str(problem)
    return "ok", None
