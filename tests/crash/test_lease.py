"""A worker that is stopped past its lease and goes on later changes nothing: somebody else owns its deliveries now."""

from __future__ import annotations

import signal
from pathlib import Path

from rig import Gateway, github, wait_for

UNFENCED = str(Path(__file__).with_name("unfenced.py"))

APP = '''
import asyncio
import os
from pathlib import Path
from hookline import Event, Fail, Hookline

hooks = Hookline()


@hooks.on("github", "push")
async def handle(event: Event):
    """The first process to come tells that it failed, the second that all is well."""
    first = not list(Path().glob("started.*"))
    Path(f"started.{os.getpid()}").touch()
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return Fail("too late") if first else None
'''


def outlive_the_lease(directory: Path, *program: str) -> tuple[str, list[tuple[str, str]]]:
    """Stop the first worker beyond its lease, let a second one finish, wake the first: the delivery's end and tries."""
    gateway = Gateway(directory, app=APP, config='[delivery]\nlease = "1s"\nrenew = "300ms"\n')
    try:
        gateway.publish()
        gateway.start("ingest", "app:hooks")
        zombie = gateway.start("worker", "app:hooks", program=program or ("-m", "hookline"))
        gateway.wait_until_ready()
        assert gateway.post(github({"ref": "x"}, "d1"))[0] == 200
        wait_for(lambda: list(directory.glob("started.*")), "the first worker to start the handler")
        zombie.send_signal(signal.SIGSTOP)
        owner = gateway.start("worker", "app:hooks")
        wait_for(lambda: len(list(directory.glob("started.*"))) == 2, "the second worker to take over")
        (directory / "go").touch()
        wait_for(lambda: gateway.rows("select state from deliveries") == [("succeeded",)], "the second to settle")
        zombie.terminate()  # delivered when it goes on: it ends its handler and settles what it has before it leaves
        zombie.send_signal(signal.SIGCONT)
        assert zombie.wait(40) == 0
        assert owner.poll() is None
        [(state,)] = gateway.rows("select state from deliveries")
        return state, gateway.rows("select state, reason from attempts order by try")
    finally:
        gateway.stop()


def test_a_stopped_worker_that_wakes_up_settles_nothing(tmp_path: Path) -> None:
    state, tries = outlive_the_lease(tmp_path)
    assert state == "succeeded"
    assert tries == [("pending", "lease ran out"), ("succeeded", tries[1][1])]


def test_without_the_fence_it_would(tmp_path: Path) -> None:
    """The positive control: a worker whose settle does not look at the lease."""
    state, _ = outlive_the_lease(tmp_path, UNFENCED)
    assert state == "failed", "the test above would not notice a missing fence"
