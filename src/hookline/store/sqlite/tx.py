"""A transaction as the functions that use it see it: named statements, the time, new ids, and what to do after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, Protocol, TypeVar

import apsw

from hookline.ids import IdMaker
from hookline.store.sqlite.queries import queries

T = TypeVar("T")
Row = tuple[Any, ...]


class Transactions(Protocol):
    """Whoever runs functions in transactions: the store, as its own rooms see it."""

    async def write(self, act: Callable[..., T], *values: Any) -> T: ...

    async def read(self, act: Callable[..., T], *values: Any) -> T: ...


_STEP = 8
_MOST = 64
"""Rows in a statement, in steps: few different texts, so that all stay prepared."""

_ROW = re.compile(r"values \((\?(?:, \?)*)\)")


class Tx:
    """Handed to the function given to ``store.write`` or ``store.read``; not to be kept.

    Rows are tuples, by ``run`` and ``one``, or dicts by ``dicts``.
    """

    def __init__(self, connection: apsw.Connection, now: float, writer: int = 0, ids: IdMaker | None = None) -> None:
        self.connection = connection
        self.now = now
        """Unix seconds: one moment for the whole transaction."""
        self.writer = writer
        """The id under which this process keeps its roll-up rows."""
        self.woken: set[str] = set()
        """Destinations that have something to do once this is committed."""
        self.after: list[Callable[[], None]] = []
        self._ids = ids

    def run(self, statement: str, /, **values: Any) -> list[Row]:
        """All rows of the statement of that name."""
        return self.connection.execute(queries()[statement], values).fetchall()

    def one(self, statement: str, /, **values: Any) -> Row | None:
        """The first row, or None."""
        return self.connection.execute(queries()[statement], values).fetchone()

    def dicts(self, statement: str, /, **values: Any) -> list[dict[str, Any]]:
        """All rows, by column name."""
        return as_dicts(self.connection.execute(queries()[statement], values))

    def many(self, statement: str, rows: Iterable[Sequence[Any] | dict[str, Any]]) -> None:
        """The statement once for each of ``rows``."""
        self.connection.executemany(queries()[statement], rows)

    def bulk(self, statement: str, rows: Sequence[Sequence[Any]]) -> list[Row]:
        """A statement with one ``(?, …)`` row of values, given as many of them as there are ``rows``.

        Each step of SQLite lets go of the interpreter's lock, and a busy event loop gives it back late: 32 rows in one
        step wait once instead of 32 times.
        """
        found: list[Row] = []
        for text, values in widened(statement, rows):
            found += self.connection.execute(text, values)
        return found

    def sql(self, text: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """All rows of a statement that was put together (searches). Values go in as bindings, never into the text."""
        return self.connection.execute(text, values).fetchall()

    def changes(self) -> int:
        """Rows that the last statement changed."""
        return self.connection.changes()

    def ids(self, count: int) -> list[int]:
        """New ids, ascending, above every other of the file: the clock may be behind what was written before."""
        assert self._ids is not None, "only writers make ids"
        highest = self.one("highest_id")
        assert highest is not None
        return self._ids.take(self.now, count, above=highest[0])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What the block wrote is taken back if it raises, and nothing else."""
        woken, after = set(self.woken), len(self.after)
        self.connection.execute("savepoint part")
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:  # else SQLite took everything back by itself
                self.connection.execute("rollback to part")
                self.connection.execute("release part")
            self.woken = woken
            del self.after[after:]
            raise
        self.connection.execute("release part")

    def after_commit(self, act: Callable[[], None]) -> None:
        """Call ``act`` once what this transaction wrote is durable; never if it is not."""
        self.after.append(act)


def widened(statement: str, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """What :meth:`Tx.bulk` executes: texts and their values. Rows of NULL fill up a step, and are left out by SQL."""
    for start in range(0, len(rows), _MOST):
        part = rows[start : start + _MOST]
        size = 1 if len(part) == 1 else -(-len(part) // _STEP) * _STEP
        text, width = _wide(statement, size)
        values = list(chain.from_iterable(part))
        values += [None] * (size * width - len(values))
        yield text, values


@cache
def _wide(statement: str, size: int) -> tuple[str, int]:
    text = queries()[statement]
    row = _ROW.search(text)
    if row is None:
        raise ValueError(f"the statement {statement} has no row of question marks")
    marks, width = row.group(1), row.group(1).count("?")
    if size == 1:
        return text, width
    many = f"select * from (values ({marks}){f', ({marks})' * (size - 1)}) where column1 is not null"  # noqa: S608  marks only
    return text[: row.start()] + many + text[row.end() :], width


def as_dicts(cursor: apsw.Cursor) -> list[dict[str, Any]]:
    """The rest of a cursor, by column name."""
    names: list[str] | None = None
    found = []
    for row in cursor:
        names = names or [column[0] for column in cursor.get_description()]
        found.append(dict(zip(names, row, strict=True)))
    return found
