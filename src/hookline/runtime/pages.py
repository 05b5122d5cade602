"""The admin process: API, metrics and pages behind the admin door."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from hookline import admin
from hookline import sockets as sock
from hookline.config import Config
from hookline.runtime.chores import chores, every
from hookline.runtime.counting import others
from hookline.runtime.start import ADMIN_FD, Life, reread
from hookline.runtime.start import run as run_loop
from hookline.store import open_store
from hookline.supervisor import say_ready


def run(config: Config, paths: Sequence[str], flags: Mapping[str, object]) -> int:
    """Serve the admin door until SIGTERM."""
    listening = sock.borrowed(ADMIN_FD) or sock.listen(config.server.admin, "server.admin")
    return run_loop(lambda: _serve(config, paths, flags, [listening]))


async def _serve(
    config: Config, paths: Sequence[str], flags: Mapping[str, object], listening: list[sock.Socket]
) -> int:
    life = Life()
    store = await open_store(config.server.store, role="admin")
    await admin.first_token(store)
    current = [config]
    scrape = others(store.path)
    server = admin.server(admin.build(store, lambda: current[0], scrape=scrape))
    serving = [asyncio.create_task(server.serve(sockets=listening))]
    servers = [server]
    if config.server.metrics:
        bare = admin.server(admin.build_metrics(store, lambda: current[0], scrape=scrape))
        at = sock.listen(config.server.metrics, "server.metrics")
        servers.append(bare)
        serving.append(asyncio.create_task(bare.serve(sockets=[at])))

    async def carry_on_replays() -> None:
        await admin.carry_on(store, current[0])

    jobs = [*chores(store, lambda: current[0]), asyncio.create_task(every(1, carry_on_replays), name="replays")]
    say_ready()
    while await life.pause(3_600):
        if life.reloading.is_set():
            life.reloading.clear()
            current[0] = reread(current[0], paths, flags)
    for job in jobs:
        job.cancel()
    for each in servers:
        each.should_exit = True
    await asyncio.gather(*serving)
    await store.close()
    return 0
