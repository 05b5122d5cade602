"""How every process begins: its configuration, its event loop, its signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from hookline.config import CODE_ENV, Config
from hookline.config import load as read
from hookline.payload import visible
from hookline.supervisor import follow_parent

log = structlog.get_logger("hookline")

PUBLIC_FD = "HOOKLINE_PUBLIC_FD"
ADMIN_FD = "HOOKLINE_ADMIN_FD"
"""Under these names the parent lends its listening sockets."""


def load(paths: Sequence[str], flags: Mapping[str, object], *, strict: bool = False) -> Config | None:
    """The configuration; or None when it cannot be used, with every problem on stderr. ``strict`` also wants every
    secret, source and destination to be usable."""
    config, problems = read(list(paths), flags=flags)
    if strict and config is not None:
        from hookline.app.check import judge  # brings all providers and destinations with it

        problems = [*problems, *(found for found in judge(config, now=time.time()) if found.level != "warning")]
    fatal = {"error", "secret"} if strict else {"error"}
    refused = [problem for problem in problems if problem.level in fatal]
    for problem in problems:
        if refused or problem.level != "warning":
            complain(str(problem))
    return None if refused else config


def hand_down(app: str | None, paths: Sequence[str]) -> Sequence[str]:
    """What an app was given in code, found out by a process that imports it: the settings go into the environment,
    where this process and its children read them; returns the files, the app's own where none are named. An app that
    cannot be imported says nothing here: publishing and working tell why."""
    if CODE_ENV in os.environ:
        return paths
    if app is None:
        config, _ = read(list(paths))
        app = config.server.app if config is not None else ""
    if not app:
        return paths
    program = (sys.executable, "-m", "hookline.app.publish", app, "--settings")
    told = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603  ours
    if told.returncode != 0:
        return paths
    said = json.loads(told.stdout.splitlines()[-1])
    os.environ[CODE_ENV] = json.dumps(said["config"])
    return paths or said["files"]


def config_options(paths: Sequence[str]) -> tuple[str, ...]:
    """The ``--config`` options that give a child the same files, wherever it runs."""
    return tuple(part for path in paths for part in ("--config", os.path.abspath(path)))


def complain(text: str) -> None:
    """One line on stderr, safe to show."""
    print(f"hookline: {visible(text)}", file=sys.stderr, flush=True)


class Life:
    """The signals of a process as things to wait for."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.reloading = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self.reloading.set)
        follow_parent(self.stopping.set)

    async def pause(self, seconds: float) -> bool:
        """Wait for ``seconds``, a reload or the end, whichever is first; False at the end."""
        waits = [asyncio.create_task(self.stopping.wait()), asyncio.create_task(self.reloading.wait())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        return not self.stopping.is_set()


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a role's coroutine on uvloop, where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main())
    return uvloop.run(main())


def reread(config: Config, paths: Sequence[str], flags: Mapping[str, object]) -> Config:
    """The configuration as the files say it now; the old one if they are faulty."""
    fresh, problems = read(list(paths), flags=flags)
    for problem in problems:
        if problem.level != "warning":
            log.error("configuration", problem=str(problem))
    if fresh is None:
        log.error("not reloaded", cure="`hookline check` lists what is wrong; the old configuration stays")
        return config
    log.info("reloaded")
    return fresh
