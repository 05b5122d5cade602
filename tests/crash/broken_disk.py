"""Hookline on a disk whose next fsync can be made to fail: ``python broken_disk.py ingest app:hooks``.

While the file ``fail-fsync`` lies in the working directory, every fsync of the store answers EIO. After one, nobody
knows what is on the disk: the kernel may have dropped the pages and called them clean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from hookline.cli import main

_SWITCH = Path("fail-fsync").absolute()
_REAL = apsw.vfs_names()[0]


class _File(apsw.VFSFile):
    def xSync(self, flags: int) -> None:
        if _SWITCH.exists():
            problem = apsw.IOError("injected: fsync failed")
            problem.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise problem
        super().xSync(flags)


class _Disk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("broken", _REAL, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(_REAL, name, flags)


_disk: Any = _Disk()

if __name__ == "__main__":
    main()
