"""Opens connections: the SQLite library's version, the PRAGMAs (each read back), and plain words for what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import apsw

from hookline.errors import ConfigError, Unavailable

OLDEST_SQLITE = 3_051_003
"""Every library before this can corrupt a write-ahead log that two connections reset at once."""

APPLICATION_ID = 0x686F6F6B  # "hook"

_PRAGMAS: dict[str, int | str] = {
    "busy_timeout": 2_000,  # strangers only (a shell, a backup): our own writers queue on the turnstile
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit is on the disk before it returns
    "wal_autocheckpoint": 0,  # checkpoints run in the background: inline ones are the slowest commits
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "mmap_size": 0,
    "temp_store": 2,
    "journal_size_limit": 67_108_864,
}
_DARWIN_PRAGMAS: dict[str, int | str] = {"fullfsync": 1, "checkpoint_fullfsync": 1}


def check_library(version: int = apsw.SQLITE_VERSION_NUMBER) -> None:
    """Raise ConfigError for a SQLite library that may corrupt the store."""
    if version < OLDEST_SQLITE:
        raise ConfigError(
            f"store: this SQLite library ({version}) can corrupt a database that several processes use;"
            f" {OLDEST_SQLITE} or newer is needed: pip install --upgrade apsw"
        )


def connect(path: Path, *, cache_kib: int = 32_000, vfs: str | None = None) -> apsw.Connection:
    """A connection that may write, every PRAGMA set and read back. ConfigError says what is wrong with the file."""
    check_library()
    try:
        connection = apsw.Connection(str(path), vfs=vfs, statementcachesize=400)
        try:
            _refuse_strangers(connection, path)
            # Most PRAGMAs ignore a value they cannot take, in silence: what was asked for must be what is.
            pragmas = _PRAGMAS | (_DARWIN_PRAGMAS if sys.platform == "darwin" else {}) | {"cache_size": -cache_kib}
            for name, value in pragmas.items():
                connection.pragma(name, value)
                found = connection.pragma(name)
                if found != value:
                    raise ConfigError(f"store: {path}: PRAGMA {name} is {found!r} where {value!r} is needed: {_CURE}")
        except BaseException:
            connection.close()
            raise
        return connection
    except apsw.Error as problem:
        raise explain(problem, path) from problem


_CURE = "is the file on a local disk? (write-ahead logs need shared memory, which network file systems lack)"


def connect_reader(path: Path) -> apsw.Connection:
    """A connection that cannot write."""
    connection = connect(path, cache_kib=8_000)
    connection.pragma("query_only", 1)
    return connection


def _refuse_strangers(connection: apsw.Connection, path: Path) -> None:
    """A database of another program must not get our tables."""
    ours = connection.pragma("application_id")
    if ours == APPLICATION_ID:
        return
    tables = connection.execute("select count(*) from sqlite_schema").get
    if ours or tables:
        raise ConfigError(f"store: {path} is a database of another program: name a file of its own in [server] store")


def explain(problem: apsw.Error, path: Path) -> ConfigError | Unavailable:
    """What is wrong with the file, and the cure. Trouble that may pass is Unavailable."""
    match problem:
        case apsw.NotADBError():
            return ConfigError(
                f"store: {path} is not a SQLite database: name another file in [server] store, or put a backup in its"
                " place with `hookline db restore`"
            )
        case apsw.CorruptError():
            return ConfigError(
                f"store: {path} is damaged ({problem}): stop Hookline, keep a copy, run `hookline db check`,"
                " and restore the last backup with `hookline db restore`"
            )
        case apsw.CantOpenError():
            return ConfigError(f"store: {path} cannot be opened: does its folder exist, and may this user write there?")
        case apsw.ReadOnlyError() | apsw.PermissionsError():
            return ConfigError(f"store: {path} cannot be written by this user: check its owner and mode")
        case apsw.FullError():
            return Unavailable("the disk is full", retry_after=30)
        case apsw.BusyError() | apsw.LockedError():
            return Unavailable("another program holds the store's lock")
        case _:
            return Unavailable(f"the store failed: {type(problem).__name__}: {problem}")
