"""Whether it stays fast when much is stored and when much is waiting, and how soon it is back after a restart."""

from __future__ import annotations

import asyncio
import shutil
import socket
import statistics
import time
from contextlib import suppress
from pathlib import Path

from bench import load, payloads, prefill, servers, store
from bench.accept import CONNECTIONS, ratios
from bench.report import Run, bench
from hookline import search
from hookline.store import open_store

SMALL, LARGE, BACKLOG = 10_000, 5_000_000, 500_000
SEED = 1_000


def seeded() -> servers.Hookline:
    """A stopped Hookline whose store holds two thousand settled events, the later half compressed by a dictionary."""
    server = servers.hookline("ingest", "worker")
    requests = payloads.github7k("/webhooks/github", 2 * SEED, 9)
    for part in (1, 2):
        load.apart(load.closed, server.address, requests[(part - 1) * SEED : part * SEED], 16, 60.0)
        store.wait(lambda count=part * SEED: store.settled(server.database) >= count, "events to be settled", 60)
        if part == 1:
            store.train(server.database)
    server.stop()
    return server


@bench("growth")
def growth(run: Run) -> None:
    """Accept, claim and the first page of a search with 5 million events stored, beside the same with 10 thousand."""
    requests = payloads.kept("github", "/webhooks/github", int(20_000 * (run.seconds + 1)), 1)
    accepts: list[list[float]] = [[], []]
    claims: list[list[float]] = [[], []]
    searches: list[list[float]] = [[], []]
    stores = [seeded(), seeded()]
    try:
        for server, count in zip(stores, (run.amount(SMALL), run.amount(LARGE)), strict=True):
            begun = time.monotonic()
            prefill.multiply(server.database, count)
            print(f"  {count:,} events stored in {time.monotonic() - begun:.0f} s,"
                  f" {server.database.stat().st_size / 1e9:.2f} GB", flush=True)  # fmt: skip
        for turn in range(run.rounds):
            for which, server in enumerate(stores):
                fresh = payloads.github7k("/webhooks/github", len(requests), 100 + turn) if turn else requests
                server.run("ingest", "bench.handlers:hooks")
                server.wait_until_open()
                accepts[which].append(
                    load.apart(load.closed, server.address, fresh, CONNECTIONS, run.seconds, 1.0).rate
                )
                server.stop()
                waiting = waits(server.database)
                before = store.settled(server.database)
                server.run("worker", "bench.handlers:hooks")
                store.wait(lambda at=server.database, n=before: store.settled(at) > n, "the first to be settled", 30)
                before, begun = store.settled(server.database), time.monotonic()
                store.wait(lambda at=server.database: waits(at) == 0, f"{waiting} to be settled", 300)
                claims[which].append((store.settled(server.database) - before) / (time.monotonic() - begun))
                server.stop()
                searches[which].append(first_page(server))
    finally:
        for server in stores:
            server.__exit__()
    for name, values, unit in (
        ("accepted", accepts, "a second"),
        ("claimed and settled", claims, "a second"),
        ("first pages of a search", searches, "a second"),
    ):
        run.figure(f"{name}, {run.amount(SMALL):,} stored", values[0], unit)
        run.figure(f"{name}, {run.amount(LARGE):,} stored", values[1], unit)
        run.figure(f"{name}, ratio", ratios(values[1], values[0]), "", at_least=0.9)


def waits(database: Path) -> int:
    return int(store.one(database, "select count(*) from deliveries where state = 'pending'"))


def first_page(server: servers.Hookline) -> float:
    """First pages a second of a list with a filter, through the store's own function."""

    async def look() -> float:
        opened = await open_store(f"sqlite:///{server.database}", role="cli")
        try:
            times = []
            for query in ("type:push", "source:github status:processed", "type:push since:10d") * 10:
                begun = time.perf_counter()
                await opened.list_events(search.parse(query, time.time()), limit=50)
                times.append(time.perf_counter() - begun)
            return 1 / statistics.median(times)
        finally:
            await opened.close()

    return asyncio.run(look())


@bench("backlog")
def backlog(run: Run) -> None:
    """500 thousand waiting deliveries: how fast they drain, how soon the door answers meanwhile and after a restart.

    The steady rate is what the same worker settles of a small backlog. The idle p99 is the door's at 500 a second with
    nothing waiting.
    """
    requests = payloads.kept("github", "/webhooks/github", int(500 * (run.seconds + 1)), 1)
    count = run.amount(BACKLOG)
    steady, drain, idle, tail, restart = [], [], [], [], []
    with seeded() as kept:
        small = kept.directory / "small.db"
        shutil.copy(kept.database, small)
        prefill.multiply(small, min(count, 20_000), pending=True)
        large = kept.directory / "large.db"
        shutil.copy(kept.database, large)
        prefill.multiply(large, count, pending=True)
        for _ in range(run.rounds):
            with servers.hookline("ingest", "worker") as server:
                idle.append(
                    load.apart(load.opened, server.address, requests, 32, 500.0, run.seconds, 1.0).quantile(0.99)
                )
            with stopped_with(small) as server:
                server.run("worker", "bench.handlers:hooks")
                begun = store.settled(server.database)
                store.wait(lambda at=server.database, n=begun: store.settled(at) > n, "the first to be settled", 30)
                before, moment = store.settled(server.database), time.monotonic()
                store.wait(lambda at=server.database: waits(at) == 0, "a small backlog to be settled", 120)
                steady.append((store.settled(server.database) - before) / (time.monotonic() - moment))
            with stopped_with(large) as server:
                moment = time.monotonic()
                server.run("ingest", "bench.handlers:hooks")
                restart.append(first_answer(server, payloads.github7k("/webhooks/github", 1, 77)[0], moment))
                server.run("worker", "bench.handlers:hooks")
                begun = store.settled(server.database)
                store.wait(lambda at=server.database, n=begun: store.settled(at) > n, "the first to be settled", 30)
                before, moment = store.settled(server.database), time.monotonic()
                tail.append(
                    load.apart(load.opened, server.address, requests, 32, 500.0, run.seconds, 1.0).quantile(0.99)
                )
                store.wait(lambda at=server.database: waits(at) == 0, f"{count} to be settled", 600)
                drain.append((store.settled(server.database) - before) / (time.monotonic() - moment))
    run.figure("steady rate of a small backlog", steady, "a second")
    run.figure(f"drain of {count:,}, new ones included", drain, "a second")
    run.figure("drain ÷ steady", ratios(drain, steady), "", at_least=1.0)
    run.figure("acknowledgement p99 at 500 a second, nothing waiting", idle, "ms")
    run.figure("acknowledgement p99 at 500 a second, while it drains", tail, "ms")
    run.figure("ratio", ratios(tail, idle), "", at_most=2)
    run.figure("start of the process to its first 2xx, with the backlog", restart, "s", at_most=2)


def stopped_with(database: Path) -> servers.Hookline:
    """A Hookline that is not started yet, with a copy of a store."""
    server = servers.fresh("hookline", servers.Hookline)
    assert isinstance(server, servers.Hookline)
    server.write_config()
    shutil.copy(database, server.database)
    return server


def first_answer(server: servers.Server, request: bytes, since: float) -> float:
    """Seconds from ``since`` to the first 2xx, trying all the time as an impatient sender would."""
    while time.monotonic() - since < 60:
        with suppress(OSError), socket.create_connection(server.address, timeout=5) as sock:
            sock.sendall(request)
            if sock.recv(4096)[9:10] == b"2":
                return time.monotonic() - since
        time.sleep(0.005)
    raise RuntimeError(f"no 2xx within a minute:\n{server.log('ingest')}")
