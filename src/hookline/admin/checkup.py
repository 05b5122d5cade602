"""Is this machine fit to keep events? Versions, disk, file system, clock, doors: looked at, never changed."""

from __future__ import annotations

import ctypes
import ctypes.util
import http.client
import platform
import resource
import shutil
import sys
import time
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import apsw

from hookline.admin.objects import Check
from hookline.config import Config

GOOD_SQLITE = (3, 51, 3)
"""Earlier ones can lose committed pages when a write-ahead log is reset by two connections at once."""
ON_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"})
ON_MEMORY = frozenset({"tmpfs", "ramfs"})
MOST_SKEW = 60.0
"""Seconds: most providers reject a signature after five minutes, and both clocks may be wrong."""
PATIENCE = 5.0
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


def versions() -> list[Check]:
    sqlite = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    found = f"hookline {metadata.version('hookline')}, Python {platform.python_version()}, {platform.system()}"
    good = sqlite >= GOOD_SQLITE
    return [
        Check(name="versions", state="ok", what=found),
        Check(
            name="sqlite",
            state="ok" if good else "problem",
            what=f"SQLite {apsw.sqlite_lib_version()}" + ("" if good else " can lose committed events"),
            cure="" if good else f"{sys.executable} -m pip install --upgrade apsw",
        ),
    ]


def disk(folder: Path, config: Config) -> Check:
    free = shutil.disk_usage(folder).free
    what = f"{free / 1e9:.1f} GB free at {folder}"
    if free < config.limits.disk_refuse:
        return Check(name="disk", state="problem", what=f"{what}: webhooks are answered 503", cure="make room")
    if free < config.limits.disk_warn:
        return Check(name="disk", state="warning", what=what, cure="make room before it is too little to go on")
    return Check(name="disk", state="ok", what=what)


def file_system(path: Path, mounts: str | None = None) -> Check:
    """What kind of file system the store lies on. ``mounts`` is the text of ``/proc/mounts``, for tests."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text("utf-8", "replace")
        except OSError:
            return Check(name="file system", state="ok", what="cannot be told on this system")
    kind, best = "unknown", -1
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        place = fields[1].replace("\\040", " ")
        if len(place) > best and (path == Path(place) or Path(place) in path.parents):
            kind, best = fields[2], len(place)
    if kind in ON_NETWORK:
        what = f"{path} lies on a network ({kind}), where locks and fsync cannot be trusted"
        return Check(name="file system", state="problem", what=what, cure="put the store on a local disk")
    if kind in ON_MEMORY:
        what = f"{path} lies in memory ({kind}): a restart of the machine loses every event"
        return Check(name="file system", state="problem", what=what, cure="put the store on a disk")
    if kind == "overlay":
        what = f"{path} lies in a container's own layer: it goes with the container"
        return Check(name="file system", state="warning", what=what, cure="mount a volume for the store")
    return Check(name="file system", state="ok", what=kind)


def permissions(path: Path) -> Check:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        what = f"{path} can be read by others (mode {mode:o})"
        return Check(name="permissions", state="warning", what=what, cure=f"chmod 600 {path}")
    return Check(name="permissions", state="ok", what=f"mode {mode:o}")


def open_files(config: Config) -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.limits.connections + 200
    if 0 <= soft < wanted:
        what = f"{soft} files may be open at once, for {config.limits.connections} connections"
        return Check(name="open files", state="warning", what=what, cure=f"ulimit -n {wanted}, or LimitNOFILE={wanted}")
    return Check(name="open files", state="ok", what=str(soft))


def synchronised() -> Check:
    """Whether the kernel believes its own clock."""
    name = ctypes.util.find_library("c")
    try:
        libc = ctypes.CDLL(name or "libc.so.6", use_errno=True)
        state = libc.adjtimex(ctypes.create_string_buffer(512))  # struct timex, all zero: ask, change nothing
    except (OSError, AttributeError):
        return Check(name="clock", state="ok", what="whether it is synchronised cannot be told on this system")
    if state == _TIME_ERROR:
        cure = "run an NTP client (systemd-timesyncd, chrony): signatures with a time are checked against this clock"
        return Check(name="clock", state="warning", what="is not synchronised", cure=cure)
    return Check(name="clock", state="ok", what="synchronised" if state >= 0 else "cannot be told")


def door(name: str, url: str, path: str = "/healthz") -> Check:
    """Whether something answers at ``url``; its ``Date`` is a second opinion on our clock."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = make(parts.netloc, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        answer = connection.getresponse()
        answer.read()
        date, status = answer.getheader("Date"), answer.status
    except (OSError, http.client.HTTPException) as problem:
        why = str(problem) or type(problem).__name__
        return Check(name=name, state="warning", what=f"{url} does not answer: {why}", cure="is it running?")
    finally:
        connection.close()
    if status != 200:
        what = f"{url}{path} answers {status}"
        return Check(name=name, state="warning", what=what, cure="is something else there, or a proxy without a way?")
    skew = _skew(date, time.time())
    if skew is not None and abs(skew) > MOST_SKEW:
        what = f"{url} says that our clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
        return Check(name=name, state="problem", what=what, cure="set the clock: signatures are checked against it")
    return Check(name=name, state="ok", what=f"{url} answers")


def _skew(date: str | None, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def local_url(address: str, secure: bool = False) -> str:
    """Where this machine itself reaches a door that listens on ``address``."""
    host, _, port = address.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104  read, not bound
    return f"{'https' if secure else 'http'}://{host}:{port}"


def machine(config: Config, store: Path) -> list[Check]:
    """All that can be told without asking anybody else."""
    found = [*versions(), synchronised(), open_files(config), disk(store.parent, config), file_system(store.resolve())]
    if store.exists():
        found.append(permissions(store))
        wal = Path(f"{store}-wal")
        size = store.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
        found.append(Check(name="store", state="ok", what=f"{store}: {size / 1e6:.1f} MB"))
    return found


def worst(checks: list[Check]) -> str:
    states = {check.state for check in checks}
    return next((state for state in ("problem", "warning") if state in states), "ok")
