"""Moves what the write-ahead log holds into the file, in the background: an inline checkpoint is the slowest commit.

Of all processes one does it, whoever has the lock; the others look every second whether that one is gone.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import apsw

from hookline.store.sqlite.connect import connect
from hookline.store.sqlite.turnstile import Turnstile

TICK = 0.25
"""Seconds between looks at the log."""
WORTHWHILE = 4 << 20
"""Bytes of log from which a busy store is checkpointed; a quiet one is at any size."""
RESTART = 48 << 20
"""Bytes of log from which writers are held for a moment so that it starts over: passive checkpoints never catch up with
a writer that does not pause."""
_HEADER = 32


class Checkpointer:
    """A thread with a connection and a place at the turnstile of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._stop = threading.Event()
        self._done_to = (0, 0)
        """The log's size and time of change after the last checkpoint that moved everything."""
        self._thread = threading.Thread(target=self._work, name="hookline-checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        lock = os.open(
            self._path.with_name(self._path.name + "-checkpoint"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            while not self._elected(lock):
                if self._stop.wait(1.0):
                    return
            connection = connect(self._path, cache_kib=1_000)
            connection.set_busy_timeout(5)  # a reader in the way is asked again at the next tick
            turnstile = Turnstile(self._path)
            try:
                while not self._stop.wait(TICK):
                    try:
                        self._tick(connection, turnstile)
                    except apsw.Error:  # a full disk, a busy file: the writers meet it too, and they tell
                        continue
            finally:
                turnstile.close()
                connection.close()
        finally:
            os.close(lock)

    @staticmethod
    def _elected(lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _tick(self, connection: apsw.Connection, turnstile: Turnstile) -> None:
        try:
            found = self._log.stat()
        except FileNotFoundError:
            return
        seen = (found.st_size, found.st_mtime_ns)
        quiet = time.time_ns() - found.st_mtime_ns > 2_000_000_000
        if found.st_size <= _HEADER or seen == self._done_to or (found.st_size < WORTHWHILE and not quiet):
            return
        in_log, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if in_log == moved:
            self._done_to = seen
        elif in_log * 4096 > RESTART:
            with turnstile:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
