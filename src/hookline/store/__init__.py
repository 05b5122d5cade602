"""Where events are kept. ``open_store`` picks the database by its URL; ``base.Store`` says what it can do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hookline.errors import ConfigError
from hookline.secrets import mask_password

if TYPE_CHECKING:
    from hookline.store.base import Store
    from hookline.store.sqlite.store import SqliteStore

    _keeps_the_contract: type[Store] = SqliteStore


async def open_store(url: str, *, role: str, **options: Any) -> SqliteStore:
    """Open (and, where that is safe, create or migrate) the store at ``url`` for one process.

    ``url`` is ``sqlite:///relative.db`` or ``sqlite:////absolute.db``. ``role`` names the process in lock files and
    worker rows: ``ingest``, ``worker``, ``admin``, ``cli``. ``options`` are those of
    :meth:`hookline.store.sqlite.store.SqliteStore.open`. Raises :class:`ConfigError` where the file cannot be used.
    """
    from hookline.store.sqlite.store import SqliteStore

    return await SqliteStore.open(str(path_of(url)), role=role, **options)


def path_of(url: str) -> Path:
    """The file of a ``sqlite:///`` URL. ConfigError for anything else."""
    scheme, separator, path = url.partition("://")
    if not separator or scheme != "sqlite" or not path.startswith("/") or path == "/":
        raise ConfigError(
            f"server.store: {mask_password(url)!r} is no store that we know — write sqlite:///hookline.db (relative to"
            " where you are) or sqlite:////var/lib/hookline/hookline.db"
        )
    return Path(path[1:])
