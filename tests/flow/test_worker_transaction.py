"""What a handler writes through its transaction happens once, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import apsw
import django
import pytest
import sqlalchemy
from django.conf import settings as django_settings
from django.db import connections
from sqlalchemy.ext.asyncio import create_async_engine
from worker_rig import deliveries, handler, opened, put, rows, tries, worker_of

from hookline.errors import ConfigError
from hookline.handlers import Fail, Ignore, NeedsReview, Retry
from hookline.model import Event
from hookline.store.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as store:
        yield store


class Bank:
    """A database of the user's, seen through one kind of transaction."""

    is_async = False

    def __init__(self, path: Path) -> None:
        self.path = path / "bank.db"
        with apsw.Connection(str(self.path)) as connection:
            connection.execute("create table paid (event text)")

    def paid(self) -> list[str]:
        return [row[0] for row in apsw.Connection(str(self.path)).execute("select event from paid")]

    transaction: Any

    def pay(self, tx: Any, event: Event) -> None:
        raise NotImplementedError

    async def pay_async(self, tx: Any, event: Event) -> None:
        raise NotImplementedError

    def close(self) -> None:
        return None


class SqlAlchemy(Bank):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.transaction = sqlalchemy.create_engine(f"sqlite:///{self.path}")

    def pay(self, tx: Any, event: Event) -> None:
        tx.execute(sqlalchemy.text("insert into paid values (:id)"), {"id": event.id})

    def close(self) -> None:
        self.transaction.dispose()


class SqlAlchemyAsync(Bank):
    is_async = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.transaction = create_async_engine(f"sqlite+aiosqlite:///{self.path}", poolclass=sqlalchemy.pool.NullPool)

    async def pay_async(self, tx: Any, event: Event) -> None:
        await tx.execute(sqlalchemy.text("insert into paid values (:id)"), {"id": event.id})


class Django(Bank):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if not django_settings.configured:
            django_settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ""}})
            django.setup()
        connections.databases["bank"] = {**connections.databases["default"], "NAME": str(self.path)}
        self.transaction = "django:bank"

    def pay(self, tx: Any, event: Event) -> None:
        with tx.cursor() as cursor:
            cursor.execute("insert into paid values (%s)", [event.id])


@pytest.fixture(params=[SqlAlchemy, SqlAlchemyAsync, Django])
def bank(request: pytest.FixtureRequest, tmp_path: Path):
    made = request.param(tmp_path)
    yield made
    made.close()


def paying(bank: Bank, then: Any = None, **more: Any) -> Any:
    """A handler that pays and then returns, or raises, what it was told."""

    def finish() -> object:
        if isinstance(then, BaseException) and not isinstance(then, Fail | Ignore):
            raise then
        return then

    def plain(event: Event, tx: Any) -> object:
        bank.pay(tx, event)
        return finish()

    async def coroutine(event: Event, tx: Any) -> object:
        await bank.pay_async(tx, event)
        return finish()

    function = coroutine if bank.is_async else plain
    return handler(function, is_async=bank.is_async, transaction=bank.transaction, **more)


async def test_success_commits_once(store, bank):
    await put(store, 1)
    await worker_of(store, paying(bank)).step()
    assert await deliveries(store) == [("succeeded", "")]
    assert len(bank.paid()) == 1


@pytest.mark.parametrize("then", [Fail("no"), Ignore("no"), Retry("no"), NeedsReview("no"), ValueError("no")])
async def test_anything_but_success_takes_it_back(store, bank, then):
    await put(store, 1)
    await worker_of(store, paying(bank, then)).step()
    [(state, reason)] = await deliveries(store)
    assert state != "succeeded"
    assert reason.endswith("no")
    assert bank.paid() == []


async def test_a_try_after_an_unreported_success_does_nothing_and_says_so(store, bank, clock):
    """The commit came through, the worker died before it could say so."""
    await put(store, 1)
    destination = paying(bank)
    [claim] = await store.claim("dead", worker_of(store, destination).wants(), 60)
    assert (await destination.send(claim)).ok
    clock.advance(61)
    assert await worker_of(store, destination).step() == 1
    assert await deliveries(store) == [("succeeded", "done before: an earlier attempt had committed")]
    assert len(bank.paid()) == 1


async def test_two_tries_at_once_happen_once(store, bank):
    await put(store, 1)
    destination = paying(bank)
    [claim] = await store.claim("w", worker_of(store, destination).wants(), 60)
    outcomes = await asyncio.gather(destination.send(claim), destination.send(claim), return_exceptions=True)
    assert any(getattr(outcome, "ok", False) for outcome in outcomes)
    assert len(bank.paid()) == 1


async def test_a_coroutine_that_is_too_late_is_taken_back(store, tmp_path):
    bank = SqlAlchemyAsync(tmp_path)

    async def pay(event: Event, tx: Any) -> None:
        await bank.pay_async(tx, event)
        await asyncio.Event().wait()

    await put(store, 1)
    await worker_of(store, handler(pay, transaction=bank.transaction, timeout=0.3)).step()
    assert await deliveries(store) == [("pending", "not done within 0.3 s")]
    assert bank.paid() == []


# -- the store's own transaction ----------------------------------------------------------------------------------


def in_store(function: Any) -> Any:
    return handler(function, is_async=False, transaction="store")


async def paid_in(store) -> list[tuple[Any, ...]]:
    return await rows(store, "select event from paid")


@pytest.fixture
async def with_table(store):
    await store.write(lambda tx: tx.sql("create table paid (event text)"))
    return store


async def test_a_write_into_the_store_commits_with_the_end_of_its_delivery(with_table):
    store = with_table

    def pay(event: Event, tx: Any) -> None:
        tx.execute("insert into paid values (?)", [event.id])

    await put(store, 1)
    worker = worker_of(store, in_store(pay))
    assert await worker.step() == 1
    assert await deliveries(store) == [("succeeded", "")]
    assert len(await paid_in(store)) == 1
    assert worker.held == {}
    assert [(state, counted) for state, _, counted in await tries(store)] == [("succeeded", 1)]


@pytest.mark.parametrize("then", [Fail("no"), Retry("no"), ValueError("no")])
async def test_anything_but_success_takes_the_stores_writes_back(with_table, then):
    store = with_table

    def pay(event: Event, tx: Any) -> None:
        tx.execute("insert into paid values (?)", [event.id])
        raise then

    await put(store, 1)
    await worker_of(store, in_store(pay)).step()
    assert await paid_in(store) == []
    [(state, reason)] = await deliveries(store)
    assert (state, reason.endswith("no")) == ("failed" if isinstance(then, Fail) else "pending", True)
    assert len(await tries(store)) == 1


async def test_a_worker_that_lost_its_lease_does_not_even_call_the_handler(with_table, clock):
    store = with_table
    calls: list[str] = []

    def pay(event: Event, tx: Any) -> None:
        calls.append(event.id)
        tx.execute("insert into paid values (?)", [event.id])

    await put(store, 1)
    zombie = worker_of(store, in_store(pay), name="zombie")
    [claim] = await zombie._store.claim("zombie", zombie.wants(), 60)
    clock.advance(61)
    await worker_of(store, in_store(pay), name="owner").step()
    zombie._start(claim, zombie._destinations["app.handle"])
    await asyncio.gather(*(held.task for held in zombie.held.values()), return_exceptions=True)
    assert len(calls) == len(await paid_in(store)) == 1
    while zombie.settler.waiting:
        await zombie.settler.settle()
    assert zombie.held == {}  # else it would count as still running, and cost its process


@pytest.mark.parametrize(
    "sql",
    [
        "update deliveries set state = 'succeeded'",
        "delete from events",
        "insert into tokens (name) values ('mine')",
        "drop table events",
        "alter table events rename to mine",
        "create index mine on events (type)",
        "create trigger t after insert on events begin select 1; end",
        "commit",
        "rollback",
        "savepoint x",
        "rollback to job",
        "attach '/tmp/x.db' as x",
        "pragma synchronous = off",
        "create temp table events (mine text)",
        "create temp view deliveries as select 1",
        "create temp trigger t after insert on events begin select 1; end",
    ],
)
async def test_a_handler_reaches_nothing_of_ours(with_table, sql):
    store = with_table

    def meddle(event: Event, tx: Any) -> None:
        tx.execute(sql)

    await put(store, 1)
    await worker_of(store, in_store(meddle)).step()
    [(state, reason)] = await deliveries(store)
    assert (state, reason) == ("pending", "AuthError: not authorized")


async def test_what_is_written_after_sqlite_took_everything_back_is_written_nowhere(with_table):
    store = with_table
    await store.write(lambda tx: tx.sql("create unique index once on paid (event)"))

    def pay(event: Event, tx: Any) -> None:
        tx.execute("insert into paid values ('mine')")
        with contextlib.suppress(apsw.ConstraintError):
            tx.execute("insert or rollback into paid values ('mine')")
        with contextlib.suppress(Exception):
            tx.execute("insert into paid values (?)", [event.id])

    await put(store, 1)
    await worker_of(store, in_store(pay)).step()
    assert await paid_in(store) == []
    [(state, reason)] = await deliveries(store)
    assert (state, reason.startswith("not written: the transaction was rolled back")) == ("pending", True)


async def test_a_transaction_ends_with_its_handler(with_table):
    kept: list[Any] = []
    await put(with_table, 1)
    await worker_of(with_table, in_store(lambda event, tx: kept.append(tx))).step()
    with pytest.raises(RuntimeError, match="is over"):
        kept[0].execute("select 1")


# -- configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transaction", "is_async", "message"),
    [
        (object(), False, "object is not known — pass a SQLAlchemy engine"),
        ("postgres", False, "str is not known"),
        ("store", True, "is for plain functions"),
        ("django:default", True, "are for plain functions"),
        (sqlalchemy.create_engine("sqlite://"), True, "Engine is for def handlers"),
        (create_async_engine("sqlite+aiosqlite://"), False, "AsyncEngine is for async def handlers"),
    ],
)
def test_a_transaction_that_cannot_work_says_so_at_start(transaction, is_async, message):
    with pytest.raises(ConfigError) as problem:
        handler(lambda event, tx: None, is_async=is_async, transaction=transaction)
    assert message in str(problem.value)
