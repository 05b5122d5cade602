"""A handler's own writes in the transaction that ends its delivery: ``transaction="store"``.

The handler gets :class:`StoreTransaction`, which runs statements and nothing else: tables of ours, transactions,
PRAGMAs and other files are out of its reach, enforced by SQLite's authorizer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import apsw

from hookline.model import Outcome, Settlement
from hookline.store.sqlite.settle import settle
from hookline.store.sqlite.tx import Tx

Act = Callable[["StoreTransaction"], Outcome]

_WRITES = frozenset(
    {
        apsw.SQLITE_INSERT,
        apsw.SQLITE_UPDATE,
        apsw.SQLITE_DELETE,
        apsw.SQLITE_DROP_TABLE,
        apsw.SQLITE_CREATE_INDEX,
        apsw.SQLITE_DROP_INDEX,
        apsw.SQLITE_CREATE_TRIGGER,
        apsw.SQLITE_DROP_TRIGGER,
    }
)
_NEVER = frozenset(
    {
        apsw.SQLITE_TRANSACTION,
        apsw.SQLITE_SAVEPOINT,
        apsw.SQLITE_ATTACH,
        apsw.SQLITE_DETACH,
        apsw.SQLITE_PRAGMA,
        apsw.SQLITE_CREATE_TEMP_TABLE,  # a temporary "events" would stand before ours, for everything we write
        apsw.SQLITE_CREATE_TEMP_VIEW,
        apsw.SQLITE_CREATE_TEMP_TRIGGER,
    }
)
_GONE = "the transaction was rolled back by SQLite: a full disk, or a statement that says ON CONFLICT ROLLBACK"


class StoreTransaction:
    """What a handler writes through. Its tables lie in the store's file, beside ours."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection: apsw.Connection | None = connection

    def execute(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement. :raises apsw.Error: as SQLite does, also for what is out of reach."""
        if self._connection is None:
            raise RuntimeError("this transaction is over: the handler has returned")
        if not self._connection.in_transaction:  # it would be written at once, whatever becomes of the delivery
            raise RuntimeError(_GONE)
        return self._connection.execute(sql, values).fetchall()


class Undo(Exception):
    """Takes the job's writes back; the outcome goes to the worker."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def settle_with(tx: Tx, settlement: Settlement, act: Act) -> Outcome | None:
    """End the delivery, then let the handler write: both or neither. None, and no call, where the lease is lost.

    :raises Undo: with any outcome but success.
    """
    if not settle(tx, [settlement])[0]:
        return None
    handed = StoreTransaction(tx.connection)
    tx.connection.authorizer = _allowed
    try:
        outcome = act(handed)
    finally:
        tx.connection.authorizer = None
        handed._connection = None
    if not outcome.ok:
        raise Undo(outcome)
    if not tx.connection.in_transaction:
        raise RuntimeError(_GONE)
    return outcome


def _allowed(operation: int, first: str | None, second: str | None, *_: object) -> int:
    if operation in _NEVER:
        return apsw.SQLITE_DENY
    if operation in _WRITES and (first in _ours() or second in _ours()):
        return apsw.SQLITE_DENY
    if operation == apsw.SQLITE_ALTER_TABLE and second in _ours():
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK


@functools.cache
def _ours() -> frozenset[str]:
    """The names of our tables, as the migrations make them."""
    found: set[str] = set()
    for file in (resources.files("hookline.store") / "sql" / "sqlite" / "migrations").iterdir():
        found |= set(re.findall(r"create table (?:if not exists )?(\w+)", file.read_text("utf-8")))
    return frozenset(found)
