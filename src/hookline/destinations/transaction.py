"""The transaction that a handler is given: what it writes commits together with a row that says it is done.

The row lies in a table of ours in the user's own database, keyed by ``event.idempotency_key``. It is written first, so
that a second attempt of the same event waits for the first one's commit or finds it done: exactly once, whatever
crashes and whoever believes in a lease that ran out. Anything but success rolls back, the row included.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

from hookline.errors import ConfigError

TABLE = "hookline_inbox"
_CREATE = (
    f"create table if not exists {TABLE} (id varchar(500) primary key, done_at timestamp default current_timestamp)"
)
_TAKE = f"insert into {TABLE} (id) values (%s) on conflict (id) do nothing"  # noqa: S608  a constant
_TAKE_MYSQL = f"insert ignore into {TABLE} (id) values (%s)"  # noqa: S608  a constant

DONE: Any = object()
"""What a handler's transaction is where its work is done already: there is nothing to call it for."""

Begin = Callable[[str], AbstractContextManager[Any]]
BeginAsync = Callable[[str], AbstractAsyncContextManager[Any]]

_CURE = 'pass a SQLAlchemy engine, a psycopg or asyncpg pool, "django:default" or "store"'


def begin(transaction: Any, *, is_async: bool) -> Begin | BeginAsync:
    """A function that opens a transaction for an idempotency key, as ``async with`` for coroutine handlers.

    :raises ConfigError: for what is no source of transactions that we know, or one for the other kind of function.
    """
    if isinstance(transaction, str) and transaction.startswith("django:"):
        if is_async:
            raise ConfigError(f'transaction="{transaction}": Django\'s transactions are for plain functions — use def')
        return _django(transaction.partition(":")[2] or "default")
    for kind in type(transaction).__mro__:
        found = _KINDS.get((kind.__module__.partition(".")[0], kind.__name__))
        if found is None:
            continue
        make, wants_async = found
        if wants_async is not is_async:
            one, other = ("async def", "def") if wants_async else ("def", "async def")
            raise ConfigError(f"transaction=: {kind.__name__} is for {one} handlers, this one is {other}")
        made: Begin | BeginAsync = make(transaction)
        return made
    raise ConfigError(f"transaction=: {type(transaction).__name__} is not known — {_CURE}")


def _sqlalchemy(engine: Any) -> Begin:
    ready: set[str] = set()

    @contextmanager
    def open(key: str) -> Iterator[Any]:
        if not ready:
            with engine.begin() as connection:
                connection.exec_driver_sql(_CREATE)
            ready.add(TABLE)
        with engine.begin() as connection:
            yield connection if connection.execute(_statement(engine), {"id": key}).rowcount else DONE

    return open


def _sqlalchemy_async(engine: Any) -> BeginAsync:
    ready: set[str] = set()

    @asynccontextmanager
    async def open(key: str) -> AsyncIterator[Any]:
        if not ready:
            async with engine.begin() as connection:
                await connection.exec_driver_sql(_CREATE)
            ready.add(TABLE)
        async with engine.begin() as connection:
            found = await connection.execute(_statement(engine), {"id": key})
            yield connection if found.rowcount else DONE

    return open


def _statement(engine: Any) -> Any:
    from sqlalchemy import text

    mysql = engine.dialect.name in ("mysql", "mariadb")
    return text((_TAKE_MYSQL if mysql else _TAKE).replace("%s", ":id"))


def _psycopg(pool: Any) -> Begin:
    ready: set[str] = set()

    @contextmanager
    def open(key: str) -> Iterator[Any]:
        if not ready:
            with pool.connection() as connection:
                connection.execute(_CREATE)
            ready.add(TABLE)
        with pool.connection() as connection, connection.transaction():
            yield connection if connection.execute(_TAKE, (key,)).rowcount else DONE

    return open


def _psycopg_async(pool: Any) -> BeginAsync:
    ready: set[str] = set()

    @asynccontextmanager
    async def open(key: str) -> AsyncIterator[Any]:
        if not ready:
            async with pool.connection() as connection:
                await connection.execute(_CREATE)
            ready.add(TABLE)
        async with pool.connection() as connection, connection.transaction():
            yield connection if (await connection.execute(_TAKE, (key,))).rowcount else DONE

    return open


def _asyncpg(pool: Any) -> BeginAsync:
    ready: set[str] = set()

    @asynccontextmanager
    async def open(key: str) -> AsyncIterator[Any]:
        async with pool.acquire() as connection:
            if not ready:
                await connection.execute(_CREATE)
                ready.add(TABLE)
            async with connection.transaction():
                status = await connection.execute(_TAKE.replace("%s", "$1"), key)
                yield connection if status == "INSERT 0 1" else DONE

    return open


def _django(alias: str) -> Begin:
    ready: set[str] = set()

    @contextmanager
    def open(key: str) -> Iterator[Any]:
        from django.db import close_old_connections, connections, transaction

        close_old_connections()  # a thread's connection may have been idle for hours
        connection = connections[alias]
        if not ready:
            with connection.cursor() as cursor:
                cursor.execute(_CREATE)
            ready.add(TABLE)
        with transaction.atomic(using=alias):
            with connection.cursor() as cursor:
                cursor.execute(_TAKE_MYSQL if connection.vendor == "mysql" else _TAKE, [key])
                fresh = cursor.rowcount
            yield connection if fresh else DONE

    return open


_KINDS: dict[tuple[str, str], tuple[Callable[[Any], Any], bool]] = {
    ("sqlalchemy", "Engine"): (_sqlalchemy, False),
    ("sqlalchemy", "AsyncEngine"): (_sqlalchemy_async, True),
    ("psycopg_pool", "ConnectionPool"): (_psycopg, False),
    ("psycopg_pool", "AsyncConnectionPool"): (_psycopg_async, True),
    ("asyncpg", "Pool"): (_asyncpg, True),
}
