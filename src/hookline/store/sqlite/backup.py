"""Backup while everything runs, restore that fires nothing by itself, and a check of what must be true of a store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw

from hookline.errors import ConfigError
from hookline.store.records import Finding
from hookline.store.sqlite.connect import connect, explain
from hookline.store.sqlite.queries import queries
from hookline.store.sqlite.turnstile import OPEN, only_one

RESTORED = "restored"
PAGES = 2_000
"""Copied at a time: 8 MB."""

Progress = Callable[[int, int], None]
"""Pages done, pages in all."""


def back_up(store: Path, target: Path, progress: Progress = lambda done, total: None) -> int:
    """A complete, checked copy of a running store at ``target``; returns its bytes. Writers go on: the copy is of one
    moment, and keeps the write-ahead log from starting over until it is done.

    :raises ConfigError: where there is something already, or the folder or the disk cannot take it.
    """
    if target.exists():
        raise ConfigError(f"{target}: is there already: name another file, or move it away")
    if not target.parent.is_dir():
        raise ConfigError(f"{target}: the folder {target.parent} does not exist: create it")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        _copy(store, part, progress)
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except apsw.Error as problem:
        raise explain(problem, target) from problem
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def restore(backup: Path, store: Path, *, force: bool = False) -> int:
    """Put a backup in a store's place; returns how many deliveries were open. They need review (``restored``): what had
    been done after the backup is not known, so nothing is delivered by itself. Only while nothing runs.

    :raises ConfigError: where ``backup`` is none, or the store is there already and ``force`` is not given.
    """
    if not backup.is_file():
        raise ConfigError(f"{backup}: there is no such backup")
    if store.exists() and store.stat().st_size and not force:
        raise ConfigError(f"{store}: is there already: move it away, or say --force to replace it")
    with only_one(store, OPEN) as mine:
        if not mine:
            raise ConfigError(f"{store}: a process has it open: stop Hookline, and whatever else uses the store")
        return _put_in_place(backup, store)


def _put_in_place(backup: Path, store: Path) -> int:
    fresh = store.with_name(store.name + ".restoring")
    _remove(fresh)
    try:
        _copy(backup, fresh, lambda done, total: None)
        found = check(fresh)
        if found:
            raise ConfigError(f"{backup}: {found[0].what}: {found[0].cure}")
        count = _hold_open(fresh)
        _sync(fresh)
        _drop_log(store)
        fresh.replace(store)
        _sync(store.parent)
    except apsw.Error as problem:
        raise explain(problem, backup) from problem
    finally:
        _remove(fresh)
    return count


def _drop_log(store: Path) -> None:
    """Leave the old store whole in its one file: its log must not be taken for the new one's, and whoever dies before
    the new one is in its place must find either."""
    with suppress(apsw.Error):  # it is damaged: that may be why somebody puts a backup in its place
        old = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            old.pragma("schema_version")  # opens the log
            old.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            old.close()
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)


def check(store: Path) -> list[Finding]:
    """What is wrong with a store: the file itself, and the counts that must agree. Reads all of it."""
    connection = connect(store)
    try:
        return list(_findings(connection))
    except apsw.Error as problem:
        raise explain(problem, store) from problem
    finally:
        connection.close()


def _findings(connection: apsw.Connection) -> Iterator[Finding]:
    broken = [row[0] for row in connection.execute("pragma integrity_check(20)") if row[0] != "ok"]
    if broken:
        yield Finding(
            "file",
            f"the file is damaged: {broken[0]}" + (f" (and {len(broken) - 1} more)" if broken[1:] else ""),
            "stop Hookline, keep a copy of the file, and restore the last backup with `hookline db restore`",
        )
        return
    for name, what, cure in _CHECKS:
        rows = connection.execute(queries()[f"check_{name}"]).fetchall()
        if rows:
            yield Finding(name, what.format(count=len(rows), first=rows[0][0]), cure)


_REPORT = "this is a bug of ours: please report it with the output of `hookline doctor`"
_CHECKS = (
    ("counts", "{count} events do not count their deliveries right (first: {first})", _REPORT),
    ("totals", "the totals of {count} destinations do not agree with their deliveries (first: {first})", _REPORT),
    ("heads", "{count} ordering keys wait for a delivery that is not open (first: {first})", _REPORT),
    ("stuck", "{count} open deliveries wait behind nobody (first: {first})", _REPORT),
    ("orphans", "{count} deliveries belong to no event (first: {first})", _REPORT),
    ("requests", "{count} events have lost their request (first: {first})", _REPORT),
)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    reader = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        writer = apsw.Connection(str(target))
        try:
            target.chmod(0o600)
            reader.execute("begin")  # one view: else every commit of somebody else makes the copy begin again
            reader.execute("select 1 from sqlite_schema limit 1").fetchall()
            with writer.backup("main", reader, "main") as copying:
                while not copying.done:
                    copying.step(PAGES)
                    progress(copying.page_count - copying.remaining, copying.page_count)
        finally:
            writer.close()
    finally:
        reader.close()


def _hold_open(store: Path) -> int:
    connection = connect(store)
    try:
        connection.execute("begin immediate")
        [count] = next(connection.execute(queries()["count_open"]))
        now = time.time()
        for statement in ("events", "totals", "deliveries", "heads", "replays"):
            connection.execute(queries()[f"restored_{statement}"], {"now": now, "reason": RESTORED})
        connection.execute("commit")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return int(count)
    finally:
        connection.close()


def _remove(store: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
