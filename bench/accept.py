"""The door: how many webhooks a second are verified, on disk and acknowledged, and how soon."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from bench import load, machine, payloads, servers
from bench.report import Run, bench

CONNECTIONS = 64
_MOST = 20_000
"""Requests a second that are prepared for: more than any durable contender here takes."""


@bench("accept-github")
def accept_github(run: Run) -> None:
    """GitHub pushes of about 7 KB, all different, 64 connections: verified, fsynced and acknowledged a second.

    Hookline writes the event and one delivery. Bare uvicorn and nginx read the same bodies, check nothing, keep nothing
    and answer 204. hookspool and hookrelay keep them in SQLite; webhook starts a command and keeps nothing.
    """
    compare(run, "github", peers=True)


@bench("accept-stripe")
def accept_stripe(run: Run) -> None:
    """Stripe events of about 1 KB, all different, 64 connections: verified, fsynced and acknowledged a second."""
    compare(run, "stripe", peers=False)


def compare(run: Run, kind: str, *, peers: bool) -> None:
    """Hookline and the others, taking turns."""
    warm = 1.0
    contenders: dict[str, tuple[Callable[[], servers.Server], str]] = {
        "bare uvicorn": (servers.uvicorn, f"/webhooks/{kind}"),
        "Hookline": (servers.hookline, f"/webhooks/{kind}"),
        "Hookline, two ingest processes": (servers.two_doors, f"/webhooks/{kind}"),
        "nginx": (servers.nginx, f"/webhooks/{kind}"),
    }
    if peers:
        found = {name: peer for name, peer in servers.PEERS_TABLE.items() if peer.present}
        contenders |= {name: (peer.start, peer.path) for name, peer in found.items()}
    count = int(_MOST * (run.seconds + warm))
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    tails, cpu, memory, generator, disk, foreign = [], [], [], [], [], []
    for _ in range(run.rounds):
        disk.append(machine.fdatasync_rate(0.5))
        for name, (start, path) in contenders.items():
            requests = payloads.kept(kind, path, count if name.startswith("Hookline") else min(count, 40_000), 1)
            if name in ("bare uvicorn", "nginx"):
                requests = requests * (1 + int(60_000 * (run.seconds + warm)) // len(requests))
            with start() as server:
                before, busy = server.usage(), machine.Busy()
                seen: load.Load = load.apart(load.closed, server.address, requests, CONNECTIONS, run.seconds, warm)
                used = server.usage()
                mine = (used.cpu - before.cpu) / (run.seconds + warm) + seen.cpu / run.seconds
                foreign.append(max(0.0, busy.stop()[0] - mine))
            if seen.good < sum(seen.answers.values()):
                print(f"  {name} also answered {seen.answers}", flush=True)
            rates[name].append(seen.rate)
            if name == "Hookline":
                tails.append(seen.quantile(0.99))
                cpu.append((used.cpu - before.cpu) / (seen.good * (run.seconds + warm) / run.seconds) * 1000)
                memory.append(used.memory)
                generator.append(seen.cpu / seen.seconds)
    ours = rates["Hookline"]
    for name, values in rates.items():
        run.figure(name, values, "a second")
    run.figure("Hookline ÷ bare uvicorn", ratios(ours, rates["bare uvicorn"]), "", at_least=0.6, note="aimed at 1.0")
    both = rates["Hookline, two ingest processes"]
    run.figure("two ingest processes ÷ bare uvicorn", ratios(both, rates["bare uvicorn"]), "")
    for name in ("hookspool", "hookrelay"):
        if name in rates:
            run.figure(f"Hookline ÷ {name}", ratios(ours, rates[name]), "", at_least=10)
    run.figure("Hookline ÷ nginx", ratios(ours, rates["nginx"]), "")
    run.figure("Hookline p99 at 64 connections", tails, "ms", at_most=15)
    run.figure("Hookline CPU seconds a thousand events", cpu, "s")
    run.figure("Hookline peak memory", memory, "MB")
    run.figure("cores used by the load generator", generator, "")
    run.figure("cores used by others meanwhile", foreign, "")
    run.figure("fdatasync of 4 KB, one writer", disk, "a second", note="the disk beside it")


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Round by round: what changes from round to round meets both."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True) if other]


@bench("acknowledge")
def acknowledge(run: Run) -> None:
    """How long a sender waits for its 2xx: closed loop at 64 connections, and 1,000 a second in an open loop.

    A worker handles the events meanwhile. The open loop counts from the moment at which a request was meant to be sent.
    """
    closed, half, tail, late = [], [], [], []
    requests = payloads.kept("github", "/webhooks/github", int(_MOST * (run.seconds + 1)), 1)
    for _ in range(run.rounds):
        with servers.hookline("ingest", "worker") as server:
            seen = load.apart(load.closed, server.address, requests, CONNECTIONS, run.seconds, 1.0)
            closed.append(seen.quantile(0.99))
        with servers.hookline("ingest", "worker") as server:
            seen = load.apart(load.opened, server.address, requests, CONNECTIONS, 1000.0, run.seconds, 1.0)
            half.append(seen.quantile(0.5))
            tail.append(seen.quantile(0.99))
            late.append(1000 * seen.late)
    run.figure("closed loop, 64 connections, p99", closed, "ms", at_most=15)
    run.figure("open loop, 1,000 a second, p50", half, "ms", at_most=1.5)
    run.figure("open loop, 1,000 a second, p99", tail, "ms", at_most=10)
    run.figure("the generator's own worst delay", [statistics.median(late)], "ms", note="part of the above")
