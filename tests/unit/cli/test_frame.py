"""The frame of the command line: every command has its place, costs nothing until used, and ends with its code."""

from __future__ import annotations

import io
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hookline.cli import COMMANDS, cli, exits
from hookline.cli.options import confirm
from hookline.errors import ConfigError, Unavailable


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hookline", *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_place_and_says_what_it_does(name):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 3


def test_the_overview_imports_no_command():
    code = (
        "import sys; from click.testing import CliRunner; from hookline.cli import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in"
        " ('apsw', 'aiohttp', 'starlette', 'structlog', 'jinja2', 'rich', 'uvloop', 'cryptography', 'asyncio')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_slip_of_the_keyboard_gets_a_guess():
    result = run("evnts")
    assert result.returncode == exits.USAGE
    assert "Did you mean 'events'?" in result.stderr
    assert run("events", "lst").returncode == exits.USAGE
    assert "Did you mean 'list'?" in run("events", "lst").stderr


def test_the_version_goes_to_stdout():
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("hookline ")


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (exits.Stop(exits.NOT_FOUND, "no such event"), exits.NOT_FOUND),
        (click.UsageError("no"), exits.USAGE),
        (click.ClickException("no"), exits.FAILURE),
        (ConfigError("server.store: no"), exits.PROBLEMS),
        (Unavailable("busy"), exits.FAILURE),
        (click.Abort(), exits.INTERRUPTED),
        (KeyboardInterrupt(), exits.INTERRUPTED),
    ],
)
def test_every_end_has_its_exit_code(problem, code, capsys):
    def command():
        raise problem

    assert exits.guarded(command) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_shows_its_traceback():
    with pytest.raises(ZeroDivisionError):
        exits.guarded(lambda: 1 // 0)


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m hookline completion bash | head -n 1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "0"
    assert result.stderr == ""


def test_nobody_to_answer_a_question_is_a_usage_error(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(exits.Stop) as end, cli.make_context("hookline", ["events"]):
        confirm("Sweep?")
    assert end.value.code == exits.USAGE
    assert "--yes" in str(end.value)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), ()),
        (("latest",), ("latest",)),
        (("latest", "invoice.paid"), ("latest invoice.paid",)),
        (("latest", "evt_0d3v8m2k9q4hz"), ("latest", "evt_0d3v8m2k9q4hz")),
        (("evt_0d3v8m2k9q4hz", "theirs"), ("evt_0d3v8m2k9q4hz", "theirs")),
    ],
)
def test_latest_takes_the_type_behind_it(words, ids):
    from hookline.cli.replay import with_types

    assert with_types(words) == ids
