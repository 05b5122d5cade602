"""A disk that remembers: every write, truncation, sync and deletion of the store's files, in order.

From that log any moment of a power cut can be played: what was synced is there; of the rest nothing, some, or some with
the last write torn at a sector. (A VFS shim under SQLite: no root, no kernel support.)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

SECTOR = 512
_REAL = apsw.vfs_names()[0]
"""The system's own disk, under the shim."""


class Step(NamedTuple):
    """One thing that was done to a file, or one acknowledgement that was given."""

    what: str
    """``write``, ``truncate``, ``sync``, ``delete`` or ``promise``."""
    file: str
    at: int = 0
    data: bytes = b""


class _File(apsw.VFSFile):
    def __init__(self, log: list[Step], name: Any, flags: list[int]) -> None:
        self._log = log
        self._name = Path(name.filename() if hasattr(name, "filename") else str(name)).name
        super().__init__(_REAL, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._log.append(Step("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._log.append(Step("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._log.append(Step("sync", self._name))


class _Disk(apsw.VFS):
    def __init__(self, log: list[Step]) -> None:
        self._log = log
        super().__init__("remembering", _REAL, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self._log, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._log.append(Step("delete", Path(filename).name))


@contextmanager
def remembering() -> Iterator[list[Step]]:
    """While it lasts, every SQLite file is opened through the shim; gives its log."""
    log: list[Step] = []
    disk = _Disk(log)
    try:
        yield log
    finally:
        disk.unregister()


def after_the_cut(log: list[Step], chance: random.Random | None, *, torn: bool = False) -> dict[str, bytearray]:
    """The files as they are found when the power went after the last of ``log``.

    Without ``chance`` all that was not synced is gone; with it each unsynced step is kept or lost by chance, and with
    ``torn`` a kept write may end at any sector.
    """
    synced = {step.file: place for place, step in enumerate(log) if step.what == "sync"}
    files: dict[str, bytearray] = {}
    for place, step in enumerate(log):
        if step.what == "delete":
            files.pop(step.file, None)
        if step.what not in ("write", "truncate"):
            continue
        data, durable = step.data, place < synced.get(step.file, -1)
        if not durable:
            if chance is None or chance.random() < 0.5:
                continue
            if torn:
                data = data[: chance.randrange(len(data) + 1) // SECTOR * SECTOR]
        content = files.setdefault(step.file, bytearray())
        if step.what == "truncate":
            del content[step.at :]
            continue
        content.extend(bytes(max(0, step.at - len(content))))
        content[step.at : step.at + len(data)] = data
    return files
