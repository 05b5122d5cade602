"""What a figure was measured on, and who else was busy meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
WORK = Path(__file__).parent / "out"
"""Where stores live during a run: beside the sources, so on a disk and not in memory."""

_TICK = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU seconds so far of a process and everything below it, and the sum of their peak memory in MB."""

    cpu: float
    memory: float


def usage(pid: int) -> Usage:
    """Of the processes that live now, with what their ended children used."""
    cpu, memory = 0.0, 0.0
    for each in family(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{each}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        cpu += sum(map(int, fields[11:15])) / _TICK
        memory += next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
    return Usage(cpu, memory)


def resident(pid: int) -> float:
    """Memory of one process that is its own, in MB: proportional set size, shared pages divided among their sharers."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:"))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for each in found:
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                found.extend(map(int, (task / "children").read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


class Busy:
    """How busy the machine was between two moments, in cores."""

    def __init__(self) -> None:
        self._started = self._read()

    @staticmethod
    def _read() -> tuple[float, list[int]]:
        return time.monotonic(), [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]

    def stop(self) -> tuple[float, float]:
        """Cores used by anybody, and cores stolen by other machines."""
        then, before = self._started
        now, after = self._read()
        spent = [(b - a) / _TICK / (now - then) for a, b in zip(before, after, strict=True)]
        return spent[0] + spent[1] + spent[2] + spent[5] + spent[6], spent[7]


def idle_cores(seconds: float = 1.0) -> float:
    """Cores that others use while we do nothing."""
    busy = Busy()
    time.sleep(seconds)
    return busy.stop()[0]


def fdatasync_rate(seconds: float = 1.0) -> float:
    """4 KB overwrites with fdatasync a second in a file that is already written: the disk's limit for one writer."""
    WORK.mkdir(exist_ok=True)
    path = WORK / "fdatasync.tmp"
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        block = os.urandom(4096)
        for position in range(256):
            os.pwrite(fd, block, position * 4096)
        os.fsync(fd)
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            os.pwrite(fd, block, count % 256 * 4096)
            os.fdatasync(fd)
            count += 1
        return count / seconds
    finally:
        os.close(fd)
        path.unlink()


def commit() -> str:
    """The commit that is measured, with a ``+`` when the sources differ from it."""
    try:
        name = subprocess.check_output(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, stderr=subprocess.DEVNULL
        ).strip()
        changed = subprocess.check_output(["git", "status", "--porcelain", "-uno", "src"], cwd=ROOT, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def describe() -> str:
    """One line on the machine."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    WORK.mkdir(exist_ok=True)
    disk = subprocess.run(["stat", "-f", "-c", "%T", WORK], capture_output=True, text=True).stdout.strip() or "?"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    versions = f"Linux {platform.release()}, {disk}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {memory} GB, {versions}"
