"""Sources: what the file says, whether it can be used, and when each was heard of last."""

from __future__ import annotations

from hookline.admin.objects import Page, Source, moment
from hookline.admin.operations.base import Desk, Nothing, operation
from hookline.config import Source as Configured
from hookline.config import resolved_source
from hookline.errors import ConfigError
from hookline.secrets import show_reference


@operation("GET", "/sources")
async def list_sources(desk: Desk, ask: Nothing) -> Page[Source]:
    """List sources: what they are, whether they can be used, and when they were heard of last."""
    last = await desk.store.last_events()
    return Page(data=[_source(desk, source, last.get(source.name)) for source in desk.config.sources.values()])


def _source(desk: Desk, source: Configured, last: float | None) -> Source:
    state, reason = _state(desk, source)
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
