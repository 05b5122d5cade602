"""The parent of the processes, with real children: small scripts that say ready, die, hang or drain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hookline import sockets
from hookline.errors import ConfigError
from hookline.supervisor import BAD_CONFIG, REPLACE_ME, Role, Supervisor, pause_before_restart

SERVE = """
import asyncio, os, signal, sys
from hookline.supervisor import follow_parent, say_ready
name, journal = sys.argv[1:3]
def write(word):
    fd = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{word} {name} {os.getpid()}\\n".encode())
    os.close(fd)
async def main():
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, write, "reload")
    follow_parent(stop.set)
    write("start")
    say_ready()
    await stop.wait()
    write("stop")
asyncio.run(main())
"""


def role(name: str, journal: Path, code: str = SERVE, **more: object) -> Role:
    return Role(name=name, argv=(sys.executable, "-c", code, name, str(journal)), **more)  # type: ignore[arg-type]


async def said(journal: Path, count: int) -> list[list[str]]:
    """The journal's lines once there are ``count`` of them."""
    while True:
        lines = journal.read_text().splitlines() if journal.exists() else []
        if len(lines) >= count:
            return [line.split() for line in lines]
        await asyncio.sleep(0.01)


async def test_a_child_that_dies_comes_back_and_all_drain_in_order(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    ready = asyncio.Event()
    supervisor = Supervisor([role("worker", journal, stage=1), role("ingest", journal, stage=0)], on_ready=ready.set)
    running = asyncio.create_task(supervisor.run())
    await ready.wait()
    victim = next(int(pid) for word, name, pid in await said(journal, 2) if name == "ingest")
    os.kill(victim, signal.SIGKILL)
    third = (await said(journal, 3))[2]
    assert third[:2] == ["start", "ingest"]
    assert int(third[2]) != victim
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert [line[:2] for line in (await said(journal, 5))[3:]] == [["stop", "ingest"], ["stop", "worker"]]


async def test_reload_reaches_the_children_unless_it_is_vetoed(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    ready, asked = asyncio.Event(), asyncio.Queue[bool]()
    answers = iter([False, True])

    async def reload() -> bool:
        answer = next(answers)
        asked.put_nowait(answer)
        return answer

    supervisor = Supervisor([role("ingest", journal)], reload=reload, on_ready=ready.set)
    running = asyncio.create_task(supervisor.run())
    await ready.wait()
    os.kill(os.getpid(), signal.SIGHUP)
    assert await asked.get() is False
    os.kill(os.getpid(), signal.SIGHUP)
    assert await asked.get() is True
    assert [line[0] for line in await said(journal, 2)] == ["start", "reload"]
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


async def test_a_configuration_that_cannot_work_ends_it_all(tmp_path: Path) -> None:
    bad = role("ingest", tmp_path / "journal", f"raise SystemExit({BAD_CONFIG})")
    assert await Supervisor([bad]).run() == BAD_CONFIG


async def test_a_faulty_file_ends_nobody_who_works(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    late = SERVE.replace('write("start")', f'write("start"); raise SystemExit({BAD_CONFIG})')
    supervisor = Supervisor([role("ingest", journal)])
    running = asyncio.create_task(supervisor.run())
    await supervisor.children[0].ready.wait()
    supervisor.children[0].role = role("ingest", journal, late)  # as if the file had been changed for the worse
    os.kill(int((await said(journal, 1))[0][2]), signal.SIGKILL)
    assert [line[0] for line in await said(journal, 3)] == ["start", "start", "start"]
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


async def test_a_child_that_asks_to_be_replaced_is_replaced_without_a_pause(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    code = SERVE.replace(
        'write("start")',
        f'write("start"); os.path.exists(journal + ".n") or (open(journal + ".n", "w"), os._exit({REPLACE_ME}))',
    )
    supervisor = Supervisor([role("worker", journal, code)])
    running = asyncio.create_task(supervisor.run())
    await said(journal, 2)
    assert supervisor.children[0].failures == 0
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


async def test_children_drain_when_their_parent_is_gone(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    parent = (
        "import asyncio, sys\n"
        "from hookline.supervisor import Role, Supervisor\n"
        f"roles = [Role(name='ingest', argv=(sys.executable, '-c', {SERVE!r}, 'ingest', {str(journal)!r}))]\n"
        "asyncio.run(Supervisor(roles).run())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent)
    await said(journal, 1)
    process.kill()
    await process.wait()
    assert (await said(journal, 2))[1][:2] == ["stop", "ingest"]


async def test_who_holds_the_write_lock_for_too_long_is_replaced(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    hung: list[int] = []
    supervisor = Supervisor([role("ingest", journal)], stuck=lambda: hung.pop() if hung else None)
    running = asyncio.create_task(supervisor.run())
    hung.append(int((await said(journal, 1))[0][2]))
    assert (await said(journal, 2))[1][0] == "start"
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


def test_restarts_pause_longer_each_time_up_to_ten_seconds() -> None:
    assert [pause_before_restart(n) for n in (0, 1, 2, 3, 4, 9, 99)] == [0, 0, 0.5, 1, 2, 10, 10]


def test_an_address_in_use_is_named_with_its_key() -> None:
    with sockets.listen("127.0.0.1:0", "server.public") as taken:
        with pytest.raises(ConfigError, match=r"server\.public: cannot listen on .*stop what uses it"):
            sockets.listen(sockets.shown(taken), "server.public")
        with pytest.raises(ConfigError, match=r"server\.admin: 'nonsense' is no address"):
            sockets.listen("nonsense", "server.admin")


def test_sockets_that_systemd_passed_are_told_by_name() -> None:
    with sockets.listen("127.0.0.1:0", "one") as one, sockets.listen("127.0.0.1:0", "two") as two:
        names = (sockets.shown(one), sockets.shown(two))
        child = os.fork()
        if child == 0:  # as systemd does it: descriptors 3 and 4, and the child's own pid
            os.dup2(one.fileno(), 103)
            os.dup2(two.fileno(), 104)
            os.dup2(103, 3)
            os.dup2(104, 4)
            env = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "admin:public"}
            found = sockets.inherited(env, os.getpid())
            as_named = (sockets.shown(found["admin"]), sockets.shown(found["public"]))
            os._exit(0 if as_named == names else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert sockets.inherited({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, os.getpid()) == {}
