"""How small: memory, disk, the write-ahead log, and how soon the command line answers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from bench import load, machine, payloads, servers, store
from bench.accept import CONNECTIONS
from bench.report import Run, bench


@bench("help")
def help_time(run: Run) -> None:
    """``hookline --help`` beside a bare interpreter."""
    bare, ours = [], []
    for _ in range(3 * run.rounds):
        bare.append(timed(sys.executable, "-c", "pass"))
        ours.append(timed(str(Path(sys.executable).parent / "hookline"), "--help"))
    run.figure("python -c pass", bare, "ms")
    run.figure("hookline --help", ours, "ms")
    run.figure("more than bare", [mine - theirs for mine, theirs in zip(ours, bare, strict=True)], "ms", at_most=150)


def timed(*argv: str) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - begun)


@bench("idle-memory")
def idle_memory(run: Run) -> None:
    """Resident memory of each process of ``hookline serve`` with an app, after a hundred events and some rest."""
    requests = payloads.kept("github", "/webhooks/github", 100, 1)
    sizes: dict[str, list[float]] = {}
    for _ in range(run.rounds):
        with servers.hookline("serve") as server:
            assert isinstance(server, servers.Hookline)
            load.apart(load.closed, server.address, requests, 4, 5.0)
            store.wait(lambda at=server.database: store.settled(at) >= 100, "the events to be settled", 30)
            time.sleep(2.0)
            [serve] = server.processes.values()
            for role, size in by_role(serve.pid).items():
                sizes.setdefault(role, []).append(size)
    for role, values in sizes.items():
        run.figure(role, values, "MB", at_most=50)


def by_role(pid: int) -> dict[str, float]:
    """The largest resident set, in MB, of each role below ``hookline serve``."""
    found: dict[str, float] = {}
    for each in machine.family(pid):
        try:
            words = Path(f"/proc/{each}/cmdline").read_bytes().decode().split("\0")
            status = Path(f"/proc/{each}/status").read_text()
        except FileNotFoundError:
            continue
        role = next((word for word in words if word in ("serve", "ingest", "worker", "admin")), " ".join(words[:4]))
        size = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
        found[role] = max(size, found.get(role, 0.0))
    return found


@bench("disk")
def disk(run: Run) -> None:
    """Bytes on disk for a settled event of about 7 KB, and the largest write-ahead log, under load, while pages read.

    The growth of the file over the second half of the load, when the source's dictionary has been trained, divided by
    the events that were settled in it. The log is watched while another connection reads lists without a pause.
    """
    sizes, logs, both = [], [], []
    for _ in range(run.rounds):
        requests = payloads.kept("github", "/webhooks/github", int(12_000 * (4 * run.seconds + 1)), 1)
        with servers.hookline("ingest", "worker") as server:
            assert isinstance(server, servers.Hookline)
            watcher = Watcher(server.database)
            watcher.start()
            half = len(requests) // 2
            load.apart(load.closed, server.address, requests[:half], CONNECTIONS, 2 * run.seconds)
            rest(server)
            store.train(server.database)
            begun, first = store.settled(server.database), footprint(server.database)
            load.apart(load.closed, server.address, requests[half:], CONNECTIONS, 2 * run.seconds)
            rest(server)
            ended, last = store.settled(server.database), footprint(server.database)
            watcher.stop()
            sizes.append((last - first) / (ended - begun))
            both.append(last / ended)
            logs.append(watcher.largest / 1e6)
    run.figure("a settled event, dictionary trained", sizes, "bytes", at_most=2048)
    run.figure("a settled event, from an empty store on", both, "bytes")
    run.figure("largest write-ahead log", logs, "MB", at_most=128)


def rest(server: servers.Hookline) -> None:
    """Until all that was accepted is settled."""
    sql = "select count(*) from deliveries where state = 'pending'"
    store.wait(lambda: store.one(server.database, sql) == 0, "every event to be settled", 300)


def footprint(database: Path) -> int:
    """Bytes that the database uses, free pages left out and the log's left to the log."""
    pages = store.one(database, "pragma page_count") - store.one(database, "pragma freelist_count")
    return int(pages * store.one(database, "pragma page_size"))


class Watcher(threading.Thread):
    """Reads pages all the time and remembers the largest write-ahead log."""

    def __init__(self, database: Path) -> None:
        super().__init__(daemon=True)
        self.database = database
        self.largest = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        log = self.database.with_name(self.database.name + "-wal")
        while not self._stopping.wait(0.02):
            if log.exists():
                self.largest = max(self.largest, log.stat().st_size)
            store.rows(self.database, "select * from events order by id desc limit 50")

    def stop(self) -> None:
        self._stopping.set()
        self.join()
