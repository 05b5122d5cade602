"""A file that cannot be used is named, with what is wrong and what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import pytest

from hookline.errors import ConfigError
from hookline.store import open_store
from hookline.store.sqlite import connect as connecting
from hookline.store.sqlite import migrate as migrating
from hookline.store.sqlite.connect import check_library, connect
from hookline.store.sqlite.queries import migrations, queries


async def refused(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        await open_store(f"sqlite:///{path}", role="cli")
    return str(caught.value)


@pytest.mark.parametrize(
    "url", ["hookline.db", "sqlite:hookline.db", "sqlite://hookline.db", "sqlite:///", "mysql:///x"]
)
async def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.store: .*write sqlite:///hookline\.db"):
        await open_store(url, role="cli")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"the folder {tmp_path}/missing does not exist" in await refused(tmp_path / "missing" / "store.db")


async def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"my thesis" * 1000)
    assert "is not a SQLite database" in await refused(path)
    assert path.read_bytes() == b"my thesis" * 1000


async def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("create table thesis (chapter)")
    other.close()
    before = path.read_bytes()
    assert "is a database of another program" in await refused(path)
    assert path.read_bytes() == before


async def test_a_damaged_file_says_so(path: Path) -> None:
    await (await open_store(f"sqlite:///{path}", role="cli")).close()
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    data[100:140] = b"\xff" * 40
    path.write_bytes(data)
    message = await refused(path)
    assert "is damaged" in message
    assert "hookline db restore" in message


async def test_a_folder_as_a_store_says_so(path: Path) -> None:
    path.mkdir()
    assert "cannot be opened" in await refused(path)


async def test_a_store_of_a_newer_hookline_is_refused(path: Path) -> None:
    await (await open_store(f"sqlite:///{path}", role="cli")).close()
    connection = connect(path)
    connection.execute("insert into migrations values (999, 'tomorrow', 0)")
    connection.close()
    assert "was written by a newer Hookline (schema 999" in await refused(path)


async def test_a_store_is_readable_by_its_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        opened = await open_store(f"sqlite:///{path}", role="cli")
    finally:
        os.umask(before)
    try:
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) & 0o077 for file in path.parent.iterdir()}
        assert set(modes.values()) == {0}, modes
    finally:
        await opened.close()


async def test_a_store_opened_again_keeps_its_clock_and_its_schema(path: Path) -> None:
    first = await open_store(f"sqlite:///{path}", role="cli")
    second = await open_store(f"sqlite:///{path}", role="cli")
    assert first.number != second.number
    assert abs(first.now() - second.now()) < 1
    assert await second.read(lambda tx: tx.sql("select number from migrations")) == [(n,) for n, _, _ in migrations()]
    await first.close()
    await second.close()


def test_a_sqlite_that_may_corrupt_the_file_is_refused() -> None:
    check_library(3_051_003)
    with pytest.raises(ConfigError, match=r"3051002.*pip install --upgrade apsw"):
        check_library(3_051_002)


def test_a_pragma_that_does_not_hold_is_a_refusal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connecting._PRAGMAS, "synchronous", 7)
    with pytest.raises(ConfigError, match=r"PRAGMA synchronous is .* where 7 is needed"):
        connect(path)


def test_commits_reach_the_disk_before_they_return(path: Path) -> None:
    connection = connect(path)
    try:
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("wal_autocheckpoint") == 0
    finally:
        connection.close()


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect(path)
    try:
        migrating.migrate(connection, path, 0.0)
        steps = [*migrations(), (2, "bad", "-- rewrites data\ncreate table half (a); insert into nowhere values (1)")]
        monkeypatch.setattr(migrating, "migrations", lambda: steps)
        with pytest.raises(apsw.SQLError):
            migrating.migrate(connection, path, 0.0)
        assert migrating.version(connection) == len(migrations())
        assert connection.execute("select count(*) from sqlite_schema where name = 'half'").get == 0
        copy = path.with_name("store.db.before-0002")
        assert apsw.Connection(str(copy)).execute("select count(*) from migrations").get == len(migrations())
    finally:
        connection.close()


def test_every_statement_can_be_prepared(path: Path) -> None:
    connection = connect(path)
    try:
        migrating.migrate(connection, path, 0.0)
        whole = {name: text for name, text in queries().items() if "{" not in text}  # others are put together
        for name, text in whole.items():
            try:
                connection.execute(f"explain {text}", _Anything()).fetchall()
            except apsw.BindingsError:
                connection.execute(f"explain {text}", (None,) * text.count("?")).fetchall()
            except apsw.Error as problem:
                raise AssertionError(f"{name}: {problem}") from problem
    finally:
        connection.close()


class _Anything(dict[str, None]):
    def __missing__(self, key: str) -> None:
        return None
