"""Who writes next: a queue of processes on two file locks.

One lock alone starves a process that writes seldom (whoever just let go takes it again), and SQLite's own wait is
sleep-and-poll. So a writer takes ``next``, waits for ``write`` while holding it, and then lets ``next`` go: at most one
waits at the door, the others wait for its place. The holder leaves its pid and the time, so that a supervisor can end
one that is stuck.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from hookline.store.clock import boot_seconds

OPEN = "open"
"""The lock that every process which has the store open shares: who gets it alone may replace the file."""

_HOLDER = struct.Struct("<qd")


class Turnstile:
    """One place in the queue: not to be shared between threads. Blocks without spinning; the kernel frees the locks
    of a process that dies."""

    def __init__(self, store: Path) -> None:
        self._next = _open(store.with_name(store.name + "-next"))
        self._write = _open(store.with_name(store.name + "-write"))
        self._pid = os.getpid()

    def __enter__(self) -> Turnstile:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._write, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        self._sign(self._pid, boot_seconds())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sign(0, 0.0)
        fcntl.flock(self._write, fcntl.LOCK_UN)

    def _sign(self, pid: int, since: float) -> None:
        with suppress(OSError):  # the disk is full: who writes is then not known, but he writes
            os.pwrite(self._write, _HOLDER.pack(pid, since), 0)

    def close(self) -> None:
        os.close(self._next)
        os.close(self._write)


@contextmanager
def only_one(store: Path, job: str) -> Iterator[bool]:
    """True for one caller at a time on this machine; the others are told at once that somebody is at it."""
    lock = _open(store.with_name(f"{store.name}-{job}"))
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


def share(store: Path, job: str) -> int:
    """A share of a lock that :func:`only_one` then does not get, until the file that is returned is closed."""
    lock = _open(store.with_name(f"{store.name}-{job}"))
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def holder(store: Path) -> tuple[int, float] | None:
    """The pid of the process that writes now and the seconds it has held the lock; None while nobody does. A name that
    a dead process left behind does not count: its lock is free."""
    try:
        file = os.open(store.with_name(store.name + "-write"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raw = os.pread(file, _HOLDER.size, 0)
    else:
        return None
    finally:
        os.close(file)
    if len(raw) < _HOLDER.size:
        return None
    pid, since = _HOLDER.unpack(raw)
    return (pid, boot_seconds() - since) if pid else None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
