"""The running board: which deliveries a process is running at this moment, readable after its death.

A memory-mapped file survives whatever ends the process (a segmentation fault, ``os._exit``, the kernel out of memory),
and costs a memory write per attempt. Only deliveries that stand on the board of a dead process count a crash: what it
had merely claimed is innocent. The lock on the file says whether its owner lives, so a recycled pid fools nobody; after
a restart of the machine the crash was the machine's, and counts for none.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

_HEAD = struct.Struct("<8s64s64sI")
_SLOT = struct.Struct("<qq")
_MAGIC = b"hkboard1"
_FIRST = 256
SLOTS = 4_096


class Crashed(msgspec.Struct, frozen=True):
    """What a dead worker left."""

    worker: str
    running: tuple[tuple[int, int], ...]
    """(delivery, lease) of what it was running."""


class Board:
    """The board of this process. ``mark`` and ``clear`` are for one thread."""

    def __init__(self, path: Path, worker: str, boot: str) -> None:
        self._path = path
        hidden = path.with_name(f".{path.name}")  # until it is locked and written, it would pass for a dead one's
        self._file = _open(hidden)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._file, _FIRST + SLOTS * _SLOT.size)
        self._map = mmap.mmap(self._file, _FIRST + SLOTS * _SLOT.size)
        self._map[:_FIRST] = bytes(_FIRST)
        _HEAD.pack_into(self._map, 0, _MAGIC, worker.encode()[:64], boot.encode()[:64], os.getpid())
        hidden.rename(path)
        self._free = list(range(SLOTS - 1, -1, -1))
        self._slots: dict[tuple[int, int], int] = {}

    def mark(self, delivery: int, lease: int) -> None:
        """It runs from now on. More than the board holds go unmarked: their crash counts for none."""
        if self._free:
            slot = self._slots[delivery, lease] = self._free.pop()
            _SLOT.pack_into(self._map, _FIRST + slot * _SLOT.size, delivery, lease)

    def clear(self, delivery: int, lease: int) -> None:
        """It does not run any more."""
        slot = self._slots.pop((delivery, lease), None)
        if slot is not None:
            _SLOT.pack_into(self._map, _FIRST + slot * _SLOT.size, 0, 0)
            self._free.append(slot)

    def close(self) -> None:
        """An orderly end: nothing to find here."""
        self._map.close()
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def fresh_path(folder: Path, stem: str) -> Path:
    """A board file of our own: ``<stem>-board-<pid>-<n>``."""
    number = 0
    while (path := folder / f"{stem}-board-{os.getpid()}-{number}").exists():
        number += 1
    return path


def crashed(folder: Path, stem: str, boot: str) -> Iterator[Crashed]:
    """The boards of dead workers, each told once: its file is gone when the caller asks for the next.

    A reader that dies between two leaves the rest to the next reader.
    """
    for path in sorted(folder.glob(f"{stem}-board-*")):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its owner lives
            found = _read(os.pread(file, _FIRST + SLOTS * _SLOT.size, 0), boot)
            if found is not None:
                yield found
            path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _read(data: bytes, boot: str) -> Crashed | None:
    if len(data) < _FIRST or data[:8] != _MAGIC:
        return None  # its owner died before it wrote anything
    _, worker, its_boot, _ = _HEAD.unpack_from(data)
    name = worker.rstrip(b"\0").decode("utf-8", "replace")
    if its_boot.rstrip(b"\0") != boot.encode()[:64]:
        return Crashed(name, ())
    slots = _SLOT.iter_unpack(data[_FIRST : _FIRST + (len(data) - _FIRST) // _SLOT.size * _SLOT.size])
    return Crashed(name, tuple((delivery, lease) for delivery, lease in slots if delivery))


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
