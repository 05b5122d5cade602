"""A backup is of one moment, a restore fires nothing by itself, and a check sees what does not agree."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import ANY

import apsw
import msgspec
import pytest

from contract.say import accept_one, claim, counts, settled
from hookline.errors import ConfigError, Unavailable
from hookline.store import open_store
from hookline.store.records import ReplayOptions
from hookline.store.sqlite import backup
from hookline.store.sqlite.store import SqliteStore


async def test_a_restored_store_has_everything_and_delivers_nothing_by_itself(
    store: SqliteStore, tmp_path: Path
) -> None:
    done = await accept_one(store, "done")
    [taken] = await claim(store)
    await store.settle([settled(taken)])
    ordered = [await accept_one(store, key, key.encode(), ordering_key="k") for key in ("one", "two")]
    held = await accept_one(store, "leased")
    await claim(store)
    copy = tmp_path / "copy.db"
    assert await store.back_up(copy) == copy.stat().st_size
    after = await accept_one(store, "after the backup")

    assert backup.restore(copy, tmp_path / "restored.db") == 3
    restored = await open_store(f"sqlite:///{tmp_path}/restored.db", role="test")
    try:
        assert await claim(restored) == []
        assert await restored.check() == []
        assert await counts(restored, done.events[0]) == {"succeeded": 1}
        for receipt in (*ordered, held):
            assert await counts(restored, receipt.events[0]) == {"needs_review": 1}
        assert await restored.find_event("after the backup") is None
        assert after.events
        fresh = await accept_one(restored, "fresh", b"fresh", ordering_key="k")
        [next_one] = await claim(restored)
        assert next_one.event_number == fresh.events[0]
    finally:
        await restored.close()


async def test_a_replay_that_was_under_way_does_not_go_on_after_a_restore(store: SqliteStore, tmp_path: Path) -> None:
    await accept_one(store, "a")
    job = await store.create_replay("", ReplayOptions(), who="ann")
    await store.back_up(tmp_path / "copy.db")
    backup.restore(tmp_path / "copy.db", tmp_path / "restored.db")
    restored = await open_store(f"sqlite:///{tmp_path}/restored.db", role="test")
    try:
        assert await restored.running_replays() == []
        assert await restored.advance_replay(job.id) == msgspec.structs.replace(
            job, state="stopped", error="restored", finished_at=ANY
        )
        assert await claim(restored) == []
    finally:
        await restored.close()


async def test_a_store_that_somebody_has_open_is_not_replaced(store: SqliteStore, url: str, tmp_path: Path) -> None:
    await accept_one(store, "a")
    copy = tmp_path / "copy.db"
    await store.back_up(copy)
    await accept_one(store, "b")
    with pytest.raises(ConfigError, match="has it open: stop Hookline"):
        backup.restore(copy, store.path, force=True)
    await store.close()
    assert backup.restore(copy, store.path, force=True) == 1
    restored = await open_store(url, role="test")
    try:
        assert await restored.find_event("b") is None
    finally:
        await restored.close()


async def test_a_restore_that_dies_leaves_one_store_or_the_other(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept_one(store, "a")
    copy = tmp_path / "copy.db"
    await store.back_up(copy)
    await accept_one(store, "b")
    for name in ("store.db", "store.db-wal"):  # as a process that was killed leaves them
        shutil.copy(tmp_path / name, tmp_path / name.replace("store", "left"))
    with monkeypatch.context() as power, pytest.raises(KeyboardInterrupt):
        power.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        power.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        backup.restore(copy, tmp_path / "left.db", force=True)
    survivor = await open_store(f"sqlite:///{tmp_path}/left.db", role="test")
    try:
        assert await survivor.find_event("b") is not None
    finally:
        await survivor.close()


@pytest.mark.parametrize("there", [True, False])
async def test_nothing_is_acknowledged_into_a_file_that_is_not_the_store_any_more(
    store: SqliteStore, tmp_path: Path, there: bool
) -> None:
    await accept_one(store, "a")
    await store.back_up(tmp_path / "copy.db")
    store.path.unlink()
    if there:
        (tmp_path / "copy.db").rename(store.path)
    with pytest.raises(Unavailable, match="was replaced or removed"):
        await accept_one(store, "b")


async def test_a_backup_can_be_made_while_events_come_in(store: SqliteStore, tmp_path: Path) -> None:
    for number in range(50):
        await accept_one(store, f"e{number}")
    seen: list[int] = []
    await store.back_up(tmp_path / "copy.db", lambda done, total: seen.append(total))
    assert seen
    assert backup.check(tmp_path / "copy.db") == []


async def test_a_backup_of_a_busy_store_does_not_begin_again_at_every_commit(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES", 20)
    busy = apsw.Connection(str(store.path))
    left: list[int] = []

    def commit_something(done: int, total: int) -> None:
        left.append(total - done)
        assert len(left) <= 30, "the copy does not get on"
        busy.execute("insert into meta (name, value) values (?, '')", (f"busy {len(left)}",))

    await store.back_up(tmp_path / "copy.db", commit_something)
    busy.close()
    assert len(left) > 1
    assert left == sorted(left, reverse=True)
    assert backup.check(tmp_path / "copy.db") == []


async def test_nothing_is_replaced_without_being_asked(store: SqliteStore, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await store.back_up(copy)
    with pytest.raises(ConfigError, match="is there already"):
        await store.back_up(copy)
    with pytest.raises(ConfigError, match="--force"):
        backup.restore(copy, store.path)
    with pytest.raises(ConfigError, match="no such backup"):
        backup.restore(tmp_path / "nothing.db", tmp_path / "new.db")


async def test_a_damaged_backup_is_refused_and_the_store_stays(store: SqliteStore, tmp_path: Path) -> None:
    await accept_one(store, "a")
    copy = tmp_path / "copy.db"
    await store.back_up(copy)
    data = bytearray(copy.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    copy.write_bytes(data)
    with pytest.raises(ConfigError):
        backup.restore(copy, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    (tmp_path / "text.db").write_text("this is no database, and long enough to be looked at" * 20)
    with pytest.raises(ConfigError, match="not a SQLite database"):
        backup.restore(tmp_path / "text.db", tmp_path / "new.db")


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("update events set pending = 7", "counts"),
        ("update delivery_counts set count = count + 1", "totals"),
        ("update heads set delivery = 1", "heads"),
        ("delete from heads", "stuck"),
        ("delete from events", "orphans"),
        ("delete from requests", "requests"),
    ],
)
async def test_a_check_sees_what_does_not_agree(store: SqliteStore, damage: str, name: str) -> None:
    for key in ("a", "b"):
        await accept_one(store, key, key.encode(), ordering_key="k")
    assert await store.check() == []
    connection = apsw.Connection(str(store.path))
    connection.execute(damage)
    connection.close()
    assert name in [finding.name for finding in await store.check()]
