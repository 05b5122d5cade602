"""A transaction as the functions that use it see it: named statements, the time, new ids, and what to do after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

from hookline.ids import IdMaker
from hookline.store.sqlite.queries import queries

Row = tuple[Any, ...]


class Tx:
    """Handed to the function given to ``store.write`` or ``store.read``; not to be kept.

    Rows are tuples, by ``run`` and ``one``, or dicts by ``dicts``.
    """

    def __init__(self, connection: apsw.Connection, now: float, writer: int = 0) -> None:
        self.connection = connection
        self.now = now
        """Unix seconds: one moment for the whole transaction."""
        self.writer = writer
        """The id under which this process keeps its roll-up rows."""
        self.woken: set[str] = set()
        """Destinations that have something to do once this is committed."""
        self._after: list[Callable[[], None]] = []
        self._ids: IdMaker | None = None

    def run(self, name: str, /, **values: Any) -> list[Row]:
        """All rows of the statement of that name."""
        return self.connection.execute(queries()[name], values).fetchall()

    def one(self, name: str, /, **values: Any) -> Row | None:
        """The first row, or None."""
        return self.connection.execute(queries()[name], values).fetchone()

    def dicts(self, name: str, /, **values: Any) -> list[dict[str, Any]]:
        """All rows, by column name."""
        return as_dicts(self.connection.execute(queries()[name], values))

    def many(self, name: str, rows: Iterable[Sequence[Any] | dict[str, Any]]) -> None:
        """The statement once for each of ``rows``."""
        self.connection.executemany(queries()[name], rows)

    def sql(self, text: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """All rows of a statement that was put together (searches). Values go in as bindings, never into the text."""
        return self.connection.execute(text, values).fetchall()

    def changes(self) -> int:
        """Rows that the last statement changed."""
        return self.connection.changes()

    def ids(self, count: int) -> list[int]:
        """New ids, ascending, above every request, event and delivery of the file."""
        assert self._ids is not None, "only writers make ids"
        highest = self.one("highest_id")
        assert highest is not None
        return self._ids.take(self.now, count, above=highest[0])

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call ``act`` once what this transaction wrote is durable; never if it is not."""
        self._after.append(act)


def as_dicts(cursor: apsw.Cursor) -> list[dict[str, Any]]:
    """The rest of a cursor, by column name."""
    names: list[str] | None = None
    found = []
    for row in cursor:
        names = names or [column[0] for column in cursor.get_description()]
        found.append(dict(zip(names, row, strict=True)))
    return found
