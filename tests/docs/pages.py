"""Doing what a page of the documentation says: its files are written, its commands run, what it shows is compared.

- A block whose first line is ``# name`` is that file.
- A ``console`` block is commands (``$ …``) and what they print: each line shown must be among those printed, and ``…``
  stands for anything.
- Any other block of TOML is a piece of a settings file, and must be a good one.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from hookline.config import load
from hookline.store import open_store
from rig import free_ports, wait_for

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w.]+\.(?:py|toml))\n")
_NOT_HERE = ("python3 -m venv", "pip install")
_STAYS = ("hookline serve", "hookline worker", "uvicorn")
_LOOKS = ("hookline events", "hookline requests", "hookline explain")


class Block(NamedTuple):
    language: str
    text: str


class Reader:
    """Somebody who reads a page in an empty folder, and does what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        public, admin, web = free_ports(3)
        self.url = f"http://127.0.0.1:{public}"
        self.web_url = f"http://127.0.0.1:{web}"
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOOKLINE_SERVER__PUBLIC": f"127.0.0.1:{public}",
            "HOOKLINE_SERVER__ADMIN": f"127.0.0.1:{admin}",
            "HOOKLINE_SERVER__WORKERS": "1",
            "UVICORN_PORT": str(web),
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def follow(self, page: str) -> None:
        """All blocks, in order. AssertionError where the page is wrong."""
        for block in (Block(*found) for found in _BLOCK.findall((DOCS / page).read_text())):
            name = _FILE.match(block.text)
            if name is not None:
                (self.folder / name[1]).write_text(block.text)
            elif block.language == "console":
                self._console(block.text)
            else:
                assert block.language == "toml", f"nothing knows what to do with:\n{block.text}"
                piece = self.folder / "piece.toml"
                piece.write_text(block.text)
                assert [str(problem) for problem in load([piece], {})[1]] == []

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def leave(self) -> None:
        """End what still runs, as Ctrl-C would."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(30)
        self.running.clear()

    # -- inside --------------------------------------------------------------------------------------------------

    def _console(self, text: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            self._run(command, [line for line in shown.splitlines() if line.strip()])

    def _run(self, command: str, shown: list[str]) -> None:
        if command.startswith(_NOT_HERE):
            return
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environment[name] = value
        elif command.startswith(_STAYS):
            self._start(command)
        elif command.startswith(_LOOKS):
            wait_for(lambda: _missing(self._output(command), shown) == [], f"{command} to show {shown}")
        else:
            output = self._output(command)
            assert _missing(output, shown) == [], f"{command} printed:\n{output}"

    def _output(self, command: str) -> str:
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            executable=self._program(command),
        )
        return done.stdout

    def _start(self, command: str) -> None:
        self.leave()  # a page starts one thing after the other, in the same terminal
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                executable=self._program(command),
            )
        self.running.append(process)
        if command.startswith("hookline worker"):
            asyncio.run(self._until_somebody_works(process))
            return
        url = self.url + "/readyz" if command.startswith("hookline") else self.web_url + "/"
        wait_for(lambda: process.poll() is not None or _answers(url), f"{command} to answer at {url}")
        assert process.poll() is None, self.log()

    async def _until_somebody_works(self, process: subprocess.Popen[bytes]) -> None:
        store = await open_store(f"sqlite:///{self.folder}/hookline.db", role="cli")
        try:
            async with asyncio.timeout(30):
                while not await store.anybody_works():
                    assert process.poll() is None, self.log()
                    await asyncio.sleep(0.01)
        finally:
            await store.close()

    def _program(self, command: str) -> str:
        return str(Path(sys.executable).with_name(shlex.split(command)[0]))


def _missing(output: str, shown: list[str]) -> list[str]:
    """The lines of the page that were not printed."""
    printed = [" ".join(line.split()) for line in output.splitlines()]
    return [line for line in shown if not any(_pattern(line).search(candidate) for candidate in printed)]


def _pattern(line: str) -> re.Pattern[str]:
    parts = [" ".join(part.split()) for part in line.split("…")]
    return re.compile(".*".join(re.escape(part) for part in parts))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
