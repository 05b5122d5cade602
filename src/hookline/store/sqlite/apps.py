"""The handlers that Python apps have published: ingest routes by them without importing user code."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hookline.model import HandlerRoute
from hookline.store.base import PublishedApp
from hookline.store.sqlite.tx import Row, Tx

_handlers = msgspec.json.Decoder(tuple[HandlerRoute, ...])


def publish_app(tx: Tx, app: str, generation: int, handlers: Sequence[HandlerRoute]) -> bool:
    """Write what an app handles; False where a newer generation has done so already.

    Machines that start with the same generation add to each other: a handler goes only with a newer one, so that a
    machine which still has yesterday's code cannot take today's handlers away.
    """
    known = published_app(tx, app)
    if known is not None and known.generation > generation:
        return False
    merged = {handler.name: handler for handler in handlers}
    if known is not None and known.generation == generation:
        merged = {handler.name: handler for handler in known.handlers} | merged
    text = msgspec.json.encode(list(merged.values())).decode()
    tx.run("publish_app", app=app, generation=generation, handlers=text, now=tx.now)
    return True


def note_app_error(tx: Tx, app: str, generation: int, error: str) -> None:
    """An import that failed leaves the last good handlers in place, and says why."""
    tx.run("note_app_error", app=app, generation=generation, error=error)


def forget_other_apps(tx: Tx, app: str) -> None:
    """Where one app is all there is, what others published earlier is a leftover of a name that has changed."""
    tx.run("forget_other_apps", app=app)


def published_app(tx: Tx, app: str) -> PublishedApp | None:
    rows = tx.run("published_app", app=app)
    return _app(rows[0]) if rows else None


def published_apps(tx: Tx) -> list[PublishedApp]:
    """Every app that has published its handlers, by name."""
    return [_app(row) for row in tx.run("published_apps")]


def _app(row: Row) -> PublishedApp:
    app, generation, handlers, error = row
    return PublishedApp(app=app, generation=generation, handlers=_handlers.decode(handlers), error=error)
