"""Where events are kept. ``open_store`` picks the database by its URL; ``base.Store`` says what it can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hookline.errors import ConfigError

if TYPE_CHECKING:
    from hookline.store.sqlite.store import SqliteStore


async def open_store(url: str, *, role: str, **options: Any) -> SqliteStore:
    """Open (and, where that is safe, create or migrate) the store at ``url`` for one process.

    ``url`` is ``sqlite:///relative.db`` or ``sqlite:////absolute.db``. ``role`` names the process in lock files and
    worker rows: ``ingest``, ``worker``, ``admin``, ``cli``. ``options`` are those of
    :meth:`hookline.store.sqlite.store.SqliteStore.open`. Raises :class:`ConfigError` where the file cannot be used.
    """
    scheme, separator, path = url.partition("://")
    if not separator or scheme != "sqlite" or not path.startswith("/") or path == "/":
        raise ConfigError(
            f"server.store: {url!r} is no store that we know: write sqlite:///hookline.db (relative to where you are)"
            " or sqlite:////var/lib/hookline/hookline.db"
        )
    from hookline.store.sqlite.store import SqliteStore

    return await SqliteStore.open(path[1:], role=role, **options)
