"""One commit for everybody who waits, and nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from hookline.errors import ConfigError, Unavailable
from hookline.store import open_store
from hookline.store.clock import BootClock
from hookline.store.sqlite import store as stores
from hookline.store.sqlite.checkpoint import Checkpointer
from hookline.store.sqlite.connect import connect
from hookline.store.sqlite.store import SqliteStore
from hookline.store.sqlite.turnstile import Turnstile, holder, only_one
from hookline.store.sqlite.tx import Tx


def put(tx: Tx, name: str, value: str = "") -> int:
    """Returns the number of the transaction that it runs in."""
    tx.run("set_meta", name=name, value=value)
    return id(tx)


async def names(store: SqliteStore) -> set[str]:
    text = "select name from meta where name like 'test-%'"
    return {row[0] for row in await store.read(lambda tx: tx.sql(text))}


async def test_everybody_who_waits_shares_one_transaction(store: SqliteStore) -> None:
    with Turnstile(store.path):
        jobs = [asyncio.ensure_future(store.write(put, f"test-{n}")) for n in range(10)]
        await asyncio.sleep(0)
    transactions = await asyncio.gather(*jobs)
    assert len(set(transactions)) <= 2  # the first may have gone alone
    assert len(await names(store)) == 10


async def test_a_job_that_fails_takes_back_only_its_own_writes(store: SqliteStore) -> None:
    def fail(tx: Tx) -> None:
        put(tx, "test-bad")
        tx.woken.add("nobody")
        tx.after_commit(lambda: pytest.fail("it was taken back"))
        raise LookupError("no such thing")

    with Turnstile(store.path):
        first = asyncio.ensure_future(store.write(put, "test-0"))
        await asyncio.sleep(0)
        jobs = [store.write(put, "test-1"), store.write(fail), store.write(put, "test-2")]
        rest = asyncio.gather(*jobs, return_exceptions=True)
        await asyncio.sleep(0)
    await first
    _, problem, _ = await rest
    assert isinstance(problem, LookupError)
    assert await names(store) == {"test-0", "test-1", "test-2"}


async def test_what_is_wrong_with_the_disk_is_wrong_for_everybody(store: SqliteStore) -> None:
    def full(tx: Tx) -> None:
        put(tx, "test-bad")
        raise apsw.FullError("database or disk is full")

    with pytest.raises(Unavailable, match="the disk is full") as caught:
        await store.write(full)
    assert caught.value.retry_after > 0
    await store.write(put, "test-after")
    assert await names(store) == {"test-after"}


async def test_after_a_failed_fsync_nothing_is_written_any_more(store: SqliteStore) -> None:
    def broken(tx: Tx) -> None:
        problem = apsw.IOError("disk I/O error")
        problem.extendedresult = apsw.SQLITE_IOERR_FSYNC
        raise problem

    with pytest.raises(Unavailable):
        await store.write(broken)
    with pytest.raises(Unavailable, match="an fsync failed"):
        await store.write(put, "test-after")
    assert await names(store) == set()


async def test_a_door_that_waited_too_long_is_told_so_and_nothing_is_written(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PATIENCE", 0.01)
    with Turnstile(store.path), pytest.raises(Unavailable, match="in time"):
        await store.accept([])
    await store.write(put, "test-after")


async def test_a_caller_that_is_gone_does_not_stop_the_others(store: SqliteStore) -> None:
    with Turnstile(store.path):
        jobs = [asyncio.ensure_future(store.write(put, f"test-{n}")) for n in range(3)]
        await asyncio.sleep(0)
        jobs[1].cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    assert {"test-0", "test-2"} <= await names(store)


async def test_a_closed_store_refuses_instead_of_waiting(path: Path) -> None:
    opened = await open_store(f"sqlite:///{path}", role="cli")
    await opened.close()
    await opened.close()
    with pytest.raises(Unavailable, match="closed"):
        await opened.write(put, "test-late")


async def test_a_reader_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        await store.read(put, "test-bad")


async def test_a_reader_that_stays_too_long_is_sent_away(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "READ_SECONDS", 0.0)
    endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(Unavailable, match="took longer"):
        await store.read(lambda tx: tx.sql(endless))
    monkeypatch.undo()
    assert await names(store) == set()


async def test_who_writes_can_be_seen(store: SqliteStore) -> None:
    assert holder(store.path) is None
    with Turnstile(store.path):
        found = holder(store.path)
        assert found is not None
        assert found[0] == os.getpid()
        assert 0 <= found[1] < 60
    assert holder(store.path) is None


def test_a_lock_dies_with_its_holder(path: Path) -> None:
    code = (
        "import sys, pathlib; from hookline.store.sqlite.turnstile import Turnstile\n"
        "with Turnstile(pathlib.Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "in\n"
        found = holder(path)
        assert found is not None
        assert found[0] == child.pid
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert holder(path) is None
    with Turnstile(path):
        pass


def test_only_one_does_a_job_at_a_time(path: Path) -> None:
    with only_one(path, "job") as first, only_one(path, "job") as second, only_one(path, "other") as other:
        assert (first, second, other) == (True, False, True)
    with only_one(path, "job") as again:
        assert again


WRITES = """
import asyncio, sys
from hookline.store import open_store
async def main():
    store = await open_store("sqlite:///" + sys.argv[1], role="cli")
    for n in range(200):
        await store.write(lambda tx: tx.sql("update meta set value = value + 1 where name = 'test-sum'"))
    await store.close()
asyncio.run(main())
"""


async def test_two_processes_that_write_at_once_lose_nothing(store: SqliteStore) -> None:
    await store.write(put, "test-sum", "0")
    children = [await asyncio.create_subprocess_exec(sys.executable, "-c", WRITES, str(store.path)) for _ in range(2)]
    for _ in range(200):
        await store.write(lambda tx: tx.sql("update meta set value = value + 1 where name = 'test-sum'"))
    assert [await child.wait() for child in children] == [0, 0]
    assert await store.read(lambda tx: tx.one("meta", name="test-sum")) == ("600",)


async def test_the_log_starts_over_once_it_is_large(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    log = store.path.with_name(store.path.name + "-wal")

    async def fill(count: int) -> None:
        for n in range(count):
            await store.write(put, f"test-{n % 7}", chr(65 + n) * 100_000)

    await fill(60)
    grown = log.stat().st_size
    connection = connect(store.path)
    turnstile = Turnstile(store.path)
    monkeypatch.setattr("hookline.store.sqlite.checkpoint.RESTART", 0)
    checkpointer = Checkpointer.__new__(Checkpointer)
    checkpointer._log, checkpointer._done_to = log, (0, 0)
    try:
        assert grown > 4 << 20
        checkpointer._tick(connection, turnstile)
        await fill(20)
        assert log.stat().st_size == grown  # written from its beginning again
    finally:
        connection.close()
        turnstile.close()


async def test_a_commit_wakes_who_waits_in_another_process(store: SqliteStore) -> None:
    other = await open_store(f"sqlite:///{store.path}", role="cli")
    try:
        assert await store.wait_for_work(0) is False  # it listens from now on

        def work(tx: Tx) -> None:
            tx.woken.add("app.paid")

        waiting = asyncio.ensure_future(store.wait_for_work(60))
        await asyncio.sleep(0)
        await other.write(work)
        assert await waiting is True
        await other.write(work)
        assert await store.wait_for_work(60) is True  # also if it came before the call
        await other.write(put, "test-idle")
        assert await store.wait_for_work(0) is False
    finally:
        await other.close()


async def test_a_waiter_that_is_gone_is_forgotten(store: SqliteStore) -> None:
    other = await open_store(f"sqlite:///{store.path}", role="cli")
    await other.wait_for_work(0)
    [socket] = list(store.wake._folder.iterdir())
    assert other.wake._own is not None
    other.wake._own.close()  # as if it had been killed: its socket's file stays
    store.wake.poke()
    assert not socket.exists()
    await other.close()


def test_a_step_of_the_wall_clock_moves_nothing() -> None:
    seconds = iter([100.0, 101.0])
    clock = BootClock(1_000.0, lambda: next(seconds))
    assert (clock.now(), clock.now()) == (1_100.0, 1_101.0)
