"""Keys stay known while they move from the newest into runs, and runs into bigger ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.store import open_store
from hookline.store.clock import FakeClock
from hookline.store.sqlite import keyruns
from hookline.store.sqlite.keys import RECORD, Filter, KeyBook, doubtful, find_record, key_hash, record
from hookline.store.sqlite.store import SqliteStore
from hookline.store.sqlite.turnstile import only_one
from hookline.store.sqlite.tx import Tx


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_store(f"sqlite:///{tmp_path}/store.db", role="cli", clock=FakeClock())
    yield opened
    await opened.close()


def hashes(numbers: Sequence[int]) -> list[bytes]:
    return [key_hash("github", str(number)) for number in numbers]


async def add(store: SqliteStore, numbers: Sequence[int], seconds: float = 900, offset: int = 0) -> None:
    def write(tx: Tx) -> None:
        rows = [
            (record(hashed, number + offset, bytes(16), tx.now + seconds),)
            for number, hashed in zip(numbers, hashes(numbers), strict=True)
        ]
        tx.bulk("insert_fresh_keys", rows)

    await store.write(write)


async def found(store: SqliteStore, book: KeyBook, numbers: Sequence[int]) -> dict[int, int]:
    """The event of each number that is known."""
    known = await store.write(book.find, hashes(numbers))
    return {
        number: known[hashed].event for number, hashed in zip(numbers, hashes(numbers), strict=True) if hashed in known
    }


async def test_keys_are_known_wherever_they_lie(store: SqliteStore) -> None:
    book = KeyBook()
    for start in range(0, 1000, 50):
        await add(store, range(start, start + 50))
        await keyruns.tidy_keys(store, run=20)
        assert await found(store, book, range(1200)) == {number: number for number in range(start + 50)}
    levels = await store.read(lambda tx: tx.sql("select level, count(*) from key_runs group by level order by level"))
    assert max(level for level, _ in levels) == 2
    assert all(count < keyruns.FAN for _, count in levels)
    assert await found(store, KeyBook(), range(1200)) == {number: number for number in range(1000)}


async def test_of_a_key_that_came_again_after_its_time_the_newer_counts(store: SqliteStore) -> None:
    await add(store, range(30), seconds=-5)
    await keyruns.tidy_keys(store, run=20)
    await add(store, range(30), offset=100)
    await keyruns.tidy_keys(store, run=20)
    assert await found(store, KeyBook(), range(30)) == {number: number + 100 for number in range(30)}


async def test_expired_keys_are_left_behind_by_a_merge(store: SqliteStore) -> None:
    await add(store, range(100), seconds=-5)
    await add(store, range(100, 200))
    await keyruns.tidy_keys(store, run=20)
    assert await store.read(lambda tx: tx.sql("select sum(count) from key_runs")) == [(80,)]


async def test_a_run_that_was_left_half_built_is_dropped_and_built_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(store, range(100))

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keyruns._Builder, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            await keyruns.tidy_keys(store, run=20)
    assert await found(store, KeyBook(), range(100)) == {number: number for number in range(100)}
    await keyruns.tidy_keys(store, run=20)
    states = await store.read(lambda tx: tx.sql("select distinct state from key_runs"))
    pages = await store.read(
        lambda tx: tx.sql("select distinct run from key_pages where run not in (select run from key_runs)")
    )
    assert (states, pages) == ([("live",)], [])
    assert await found(store, KeyBook(), range(100)) == {number: number for number in range(100)}


async def test_a_key_of_a_transaction_that_failed_is_not_known(store: SqliteStore) -> None:
    book = KeyBook()

    def write_and_fail(tx: Tx) -> None:
        tx.bulk("insert_fresh_keys", [(record(hashed, 1, bytes(16), tx.now + 9),) for hashed in hashes([1])])
        assert book.find(tx, hashes([1]))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await store.write(write_and_fail)
    assert await found(store, book, [1]) == {}
    await add(store, [2])
    assert await found(store, book, [1, 2]) == {2: 2}


async def test_only_one_tidies_at_a_time(store: SqliteStore) -> None:
    await add(store, range(40_000))
    with only_one(store.path, "keys") as mine:
        assert mine
        assert await store.tidy_keys() == 0
    assert await store.tidy_keys() == 1


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=300), st.binary(min_size=8, max_size=8))
def test_a_filter_never_denies_what_it_holds(held: list[bytes], other: bytes) -> None:
    made = Filter.of(max(len(held), 1))
    made.add(held)
    again = Filter(made.dump())
    assert all(again.may_hold(hashed) for hashed in held)
    asked = [*held, other]
    assert doubtful({3: again}, asked) == [(3, hashed) for hashed in asked if again.may_hold(hashed)]


def test_a_filter_denies_most_of_what_it_does_not_hold() -> None:
    made = Filter.of(10_000)
    made.add(hashes(range(10_000)))
    wrong = sum(made.may_hold(hashed) for hashed in hashes(range(10_000, 30_000)))
    assert wrong < 100  # about 20 of 20,000


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=100, unique=True))
def test_a_record_is_found_at_its_own_place_only(stored: list[bytes]) -> None:
    page = b"".join(RECORD.pack(hashed, 7, b"\xff" * 16, 9) for hashed in sorted(stored))
    for hashed in stored:
        assert find_record(page, hashed) == RECORD.pack(hashed, 7, b"\xff" * 16, 9)
    assert find_record(page, b"\xff" * 8) == (
        RECORD.pack(b"\xff" * 8, 7, b"\xff" * 16, 9) if b"\xff" * 8 in stored else None
    )
