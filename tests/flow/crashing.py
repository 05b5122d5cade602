"""A worker process for the crash tests: `crashing.py STORE` works until nothing is pending; with HOOKLINE_ALONE it
tries one claim. Bodies say what the handler does; every start of a handler is a line in `STORE.runs`."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from worker_rig import handler, rows

from hookline import telemetry
from hookline.model import Event
from hookline.store import open_store
from hookline.worker import Service, WorkerSettings, alone

STORE = Path(sys.argv[1])


async def handle(event: Event) -> None:
    what = event.body["do"]
    with Path(f"{STORE}.runs").open("a") as log:
        log.write(f"{what} {os.environ.get('HOOKLINE_ALONE', '0')}\n")
    if what == "wait-once" and not os.environ.get("HOOKLINE_ALONE"):
        await asyncio.Event().wait()  # beside the poison, until it takes everybody along
    if what == "poison":
        await asyncio.sleep(0.05)
        ctypes.string_at(0)  # a segmentation fault


async def work() -> None:
    telemetry.quiet()
    store = await open_store(f"sqlite:///{STORE}", role="worker")
    service = Service(
        store,
        {"app.handle": handler(handle)},
        boards=STORE,
        boot="this boot",
        settings=WorkerSettings(crash_pause=0.0, poll=0.05, drain=1.0),
        alone=("env", "HOOKLINE_ALONE=1", sys.executable, __file__, str(STORE)),
    )
    running = asyncio.create_task(service.run())
    while (await rows(store, "select count(*) from deliveries where state = 'pending'"))[0][0]:
        await asyncio.sleep(0.02)
    service.stop()
    await running
    await store.close()


async def find(name: str):
    return handler(handle)


if os.environ.get("HOOKLINE_ALONE"):
    alone.answer(find)
asyncio.run(work())
