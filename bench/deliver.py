"""Behind the door: how many events a second are handled and settled, and how soon a handler starts."""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

from bench import load, payloads, servers, store
from bench.accept import CONNECTIONS, ratios
from bench.report import Run, bench

_STARTED = struct.Struct("dd")
SINK = """
    [[routes]]
    from = "github"
    to = ["sink"]

    [destinations.sink]
    type = "http"
    url = "http://127.0.0.1:{port}/"
    concurrency = 64
"""


def started(directory: Path) -> list[tuple[float, float]]:
    """(received, started), in unix seconds, of every call of the bench's handler."""
    return [pair for file in directory.glob("started.*") for pair in _STARTED.iter_unpack(file.read_bytes())]


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


@bench("handle")
def handle(run: Run) -> None:
    """Events a second that a Python handler has handled and the store has settled while the door runs at full rate.

    The rate of the door alone is measured in turns with it.
    """
    requests = payloads.kept("github", "/webhooks/github", int(20_000 * (run.seconds + 1)), 1)
    alone, accepted, handled, cpu = [], [], [], []
    for _ in range(run.rounds):
        with servers.hookline("ingest") as server:
            alone.append(load.apart(load.closed, server.address, requests, CONNECTIONS, run.seconds, 1.0).rate)
        with servers.hookline("ingest", "worker") as server:
            assert isinstance(server, servers.Hookline)
            generator = load.Apart(load.closed, server.address, requests, CONNECTIONS, run.seconds, 1.0)
            time.sleep(1.0)
            before, begun, usage = store.settled(server.database), time.monotonic(), server.usage().cpu
            seen: load.Load = generator.wait()
            done = store.settled(server.database) - before
            handled.append(done / (time.monotonic() - begun))
            accepted.append(seen.rate)
            cpu.append((server.usage().cpu - usage) / max(1, done) * 1000)
    run.figure("accepted, the door alone", alone, "a second")
    run.figure("accepted while a worker handles", accepted, "a second")
    run.figure("handled and settled meanwhile", handled, "a second")
    run.figure("handled ÷ accepted at the same time", ratios(handled, accepted), "", at_least=0.5)
    run.figure("handled ÷ accepted by the door alone", ratios(handled, alone), "")
    run.figure("CPU seconds a thousand events, received and handled", cpu, "s")


@bench("start-of-handler")
def start_of_handler(run: Run) -> None:
    """From received to handler started, at 500 events a second (open loop)."""
    requests = payloads.kept("github", "/webhooks/github", int(500 * (run.seconds + 2)), 1)
    half, tail = [], []
    for _ in range(run.rounds):
        with servers.hookline("ingest", "worker") as server:
            begun = time.time()
            load.apart(load.opened, server.address, requests, 16, 500.0, run.seconds, 2.0)
            time.sleep(0.5)
            waits = [1000 * (began - received) for received, began in started(server.directory) if received > begun + 2]
        half.append(quantile(waits, 0.5))
        tail.append(quantile(waits, 0.99))
    run.figure("received to handler started, p50", half, "ms", at_most=5)
    run.figure("received to handler started, p99", tail, "ms", at_most=30)


@bench("http")
def http(run: Run) -> None:
    """Deliveries a second to an HTTP destination on loopback: alone, and while the door runs at half its rate."""
    count = int(20_000 * (run.seconds + 1))
    requests = payloads.kept("github", "/webhooks/github", count, 1)
    alone, beside, rates = [], [], []
    for _ in range(run.rounds):
        port = servers.free_port()
        with servers.fresh("sink") as sink:
            sink.start("sink", sys.executable, "-m", "bench.sink", str(port))
            config = SINK.format(port=port)
            with servers.hookline("ingest", config=config, app=None) as server:
                assert isinstance(server, servers.Hookline)
                rate = load.apart(load.closed, server.address, requests, CONNECTIONS, run.seconds).rate
                rates.append(rate)
                server.stop("ingest")
                server.run("worker")
                store.wait(lambda at=server.database: store.settled(at) > 0, "the first delivery", 20)
                alone.append(settled_rate(server, run.seconds))
            with servers.hookline("ingest", "worker", config=config, app=None) as server:
                assert isinstance(server, servers.Hookline)
                generator = load.Apart(load.opened, server.address, requests, CONNECTIONS, rate / 2, run.seconds + 1)
                time.sleep(1.0)
                beside.append(settled_rate(server, run.seconds))
                generator.wait()
    run.figure("deliveries alone", alone, "a second", at_least=2500)
    run.figure("deliveries while the door runs at half its rate", beside, "a second", at_least=1500)
    run.figure("the door's own rate", rates, "a second")


def settled_rate(server: servers.Hookline, seconds: float) -> float:
    before, begun = store.settled(server.database), time.monotonic()
    time.sleep(seconds)
    return (store.settled(server.database) - before) / (time.monotonic() - begun)


@bench("hanging-neighbour")
def hanging_neighbour(run: Run) -> None:
    """Ten HTTP destinations, 50 events a second to each; then one of them hangs: p99, received to done, of the rest."""
    requests = payloads.kept("github", "/webhooks/github", int(50 * (run.seconds + 2)), 1)
    before, after = [], []
    for _ in range(run.rounds):
        for path, figures in (("", before), ("hang", after)):
            port = servers.free_port()
            names = [f"sink{number}" for number in range(10)]
            config = '[[routes]]\nfrom = "github"\nto = [' + ", ".join(f'"{name}"' for name in names) + "]\n"
            for name in names:
                place = path if name == "sink9" else ""
                config += f'[destinations.{name}]\ntype = "http"\nurl = "http://127.0.0.1:{port}/{place}"\n'
            with servers.fresh("sink") as sink:
                sink.start("sink", sys.executable, "-m", "bench.sink", str(port))
                with servers.hookline("ingest", "worker", config=config, app=None) as server:
                    assert isinstance(server, servers.Hookline)
                    load.apart(load.opened, server.address, requests, 16, 50.0, run.seconds, 2.0)
                    time.sleep(1.0)
                    waits = store.rows(
                        server.database,
                        "select 1000 * (a.finished_at - e.received_at) from attempts a"
                        " join deliveries d on d.id = a.delivery join events e on e.id = a.event"
                        " where d.destination <> 'sink9' and a.state = 'succeeded'",
                    )
            figures.append(quantile([wait for (wait,) in waits], 0.99))
    run.figure("p99 of nine, all well", before, "ms")
    run.figure("p99 of nine, the tenth hangs", after, "ms")
    run.figure("ratio", ratios(after, before), "", at_most=1.5)
