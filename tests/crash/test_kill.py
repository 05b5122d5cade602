"""kill -9 at random moments, under load: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import psutil
import pytest
from checker import APP, IN_THE_STORE, Sender, Target, examine, settle_everything

from rig import Gateway

TARGETS = ("everything", "ingest", "worker", "supervisor")


FEW_OR_MANY = pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.slow)])
pytestmark = pytest.mark.timeout(900)  # every kill is followed by the start of up to five processes


@pytest.mark.parametrize("app", [APP, IN_THE_STORE], ids=["inbox", "in the store"])
@FEW_OR_MANY
async def test_no_kill_loses_an_acknowledged_event_or_doubles_an_effect(tmp_path: Path, app: str, kills: int) -> None:
    gateway = Gateway(tmp_path, app=app)
    sender = await kill(gateway, kills, ("serve", "app:hooks"))
    findings = examine(gateway, sender.sent, ordered=app is IN_THE_STORE)
    print(f"{kills} kills: {findings}")
    assert findings.clean, str(findings)
    assert findings.acknowledged > kills


async def test_an_http_target_that_honours_the_key_sees_every_event_once(tmp_path: Path) -> None:
    async with Target() as target:
        gateway = Gateway(tmp_path, app="", config=target.config)
        sender = await kill(gateway, 10, ("serve",))
        findings = examine(gateway, sender.sent, target)
    assert findings.clean, str(findings)


async def kill(gateway: Gateway, kills: int, command: tuple[str, ...]) -> Sender:
    """Load it and kill parts of it in turn, after a random number of acknowledgements; return once all is settled."""
    seed = int(os.environ.get("CRASH_SEED", "20261123"))
    print(f"CRASH_SEED={seed}")
    chance = random.Random(seed)
    try:
        gateway.start(*command)
        await asyncio.to_thread(gateway.wait_until_ready)
        async with Sender(gateway.port, seed) as sender:
            for number in range(kills):
                await sender.more(chance.randint(1, 120))
                target = TARGETS[number % len(TARGETS)]
                if target == "everything":
                    gateway.kill_all()
                    gateway.start(*command)
                elif target == "supervisor":
                    await asyncio.to_thread(kill_supervisor, gateway)
                    gateway.start(*command)
                else:
                    for process in gateway.playing(target)[:1]:
                        process.kill()
            await sender.more(50)
        await settle_everything(gateway)
    finally:
        gateway.stop()
    return sender


def kill_supervisor(gateway: Gateway) -> None:
    """Kill the parent alone, and wait until its children noticed and left: they hold the port and the store."""
    [server] = gateway.processes
    children = psutil.Process(server.pid).children(recursive=True)
    server.send_signal(signal.SIGKILL)
    server.wait()
    gateway.processes.clear()
    _, alive = psutil.wait_procs(children, timeout=40)
    assert not alive, f"outlived their parent: {alive}"
