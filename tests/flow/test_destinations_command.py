"""Commands: an argument list, the body on stdin, facts in the environment, and an end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from test_destinations_messages import claim

from hookline.config import Config
from hookline.config import Destination as Settings
from hookline.destinations import build
from hookline.errors import ConfigError


@pytest.fixture
def script(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


def command(*argv: str, timeout: float = 10.0, **options: Any) -> Any:
    settings = Settings(name="run", type="command", timeout=timeout, options={"command": list(argv), **options})
    return build(settings, Config())


async def test_the_body_comes_on_stdin_and_facts_in_the_environment(script, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OUR_SECRET", "canary")
    out = tmp_path / "out"
    run = command(script(f'cat > "{out}"; env; echo "$1"'), "$(touch /tmp/never); {{ event.body.n }}")
    outcome = await run.send(claim({"n": "`id`"}))
    assert outcome.ok, outcome
    assert out.read_bytes() == b'{"n": "`id`"}'
    said = outcome.received.decode()
    assert "canary" not in said
    assert said.rstrip().endswith("$(touch /tmp/never); {{ event.body.n }}")
    facts = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("HOOKLINE_"))
    assert facts == {
        "HOOKLINE_EVENT_ID": "evt_1",
        "HOOKLINE_DELIVERY_ID": "dlv_0000000000001",
        "HOOKLINE_ATTEMPT": "1",
        "HOOKLINE_IDEMPOTENCY_KEY": "evt_1:chat",
        "HOOKLINE_SOURCE": "github",
        "HOOKLINE_ENVIRONMENT": "production",
        "HOOKLINE_TYPE": "push",
        "HOOKLINE_SUBJECT": "repo",
        "HOOKLINE_PROVIDER_ID": "d-1",
        "HOOKLINE_CONTENT_TYPE": "application/json",
        "HOOKLINE_RECEIVED_AT": "1800000000.000",
    }


@pytest.mark.parametrize(
    ("text", "reason", "code"),
    [
        ("echo one; echo two >&2; exit 3", "exit status 3: two", 3),
        ("exit 1", "exit status 1", 1),
        ("kill -9 $$", "died of SIGKILL", -9),
    ],
)
async def test_any_other_end_than_0_is_a_failure_with_its_last_words(script, text: str, reason: str, code: int):
    outcome = await command(script(text)).send(claim({}))
    assert (outcome.state, outcome.reason, outcome.code) == (None, reason, code)


async def test_it_is_killed_with_all_its_children_when_its_time_is_over(script, tmp_path: Path):
    pids = tmp_path / "pids"
    text = f'sleep 600 & echo $! > "{pids}"; echo started; wait'
    outcome = await command(script(text), timeout=0.5).send(claim({}))
    assert (outcome.state, outcome.timed_out, outcome.unknown) == (None, True, True)
    assert outcome.received == b"started\n"
    child = int(pids.read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


async def test_its_output_is_capped_and_never_blocks_it(script):
    outcome = await command(script("head -c 3000000 /dev/zero; echo done >&2")).send(claim({}))
    assert outcome.ok
    assert len(outcome.received) == 16_384


async def test_a_command_that_reads_nothing_is_fine(script):
    assert (await command(script("exec <&-; exit 0")).send(claim({"big": "x" * 1_000_000}))).ok


async def test_a_child_that_keeps_the_pipe_open_holds_nobody_up(script, monkeypatch):
    monkeypatch.setattr("hookline.destinations.command.AFTERMATH", 0.05)
    outcome = await command(script("sleep 600 & echo $!; exit 0")).send(claim({}))
    assert outcome.ok
    os.kill(int(outcome.received), 9)


async def test_words_of_a_provider_are_one_line(script):
    run = command(script("env"))
    claimed = claim({})
    event = msgspec.structs.replace(claimed.event, type="a\nPATH=/evil\0b", subject="\ud800")
    outcome = await run.send(msgspec.structs.replace(claimed, event=event))
    assert outcome.ok, outcome
    assert b"HOOKLINE_TYPE=aPATH=/evilb\n" in outcome.received


async def test_an_own_environment_and_folder(script, tmp_path: Path):
    run = command(script('echo "$GREETING $(pwd)"'), environment={"GREETING": "hello"}, directory=str(tmp_path))
    assert (await run.send(claim({}))).received.decode() == f"hello {tmp_path}\n"


@pytest.mark.parametrize(
    ("argv", "options", "message"),
    [
        ([], {}, "destinations.run.command: is no list of texts"),
        (["deploy"], {}, "no absolute path"),
        (["/nowhere/deploy"], {}, "cannot be executed"),
        (["/tmp"], {}, "cannot be executed"),
        (["/bin/sh", "a\0b"], {}, "no list of texts"),
        (["/bin/sh"], {"directory": "/nowhere"}, "is no folder"),
        (["/bin/sh"], {"shell": "yes"}, "shell: is not known"),
    ],
)
def test_a_command_that_cannot_run_says_so_at_once(argv: list[str], options: dict[str, Any], message: str):
    with pytest.raises(ConfigError) as problem:
        command(*argv, **options)
    assert message in str(problem.value)
