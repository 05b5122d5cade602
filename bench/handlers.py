"""The app of the benches: handlers that do next to nothing, and tell when they were started."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from hookline import Event, Hookline

hooks = Hookline()

_started = (Path(os.environ.get("BENCH_OUT", ".")) / f"started.{os.getpid()}").open("ab", buffering=0)
_record = struct.Struct("dd")  # received at, started at: unix seconds


@hooks.on("*", "*")
async def handle(event: Event) -> None:
    """Write down when the event was received and when its handler started."""
    _started.write(_record.pack(event.received_at, time.time()))
