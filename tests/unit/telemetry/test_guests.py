"""Logs of ours in processes of somebody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOCALS = """
import asyncio, structlog
{before}

def broken():
    password = "".join(["pass", "word", "-in-a-local"])
    raise RuntimeError("this is broken")

async def main():
    from hookline import Hookline
    hooks = Hookline({{"server": {{"store": "sqlite:///{store}"}}}})
    await hooks.asgi.start()
    await hooks.asgi.stop()

asyncio.run(main())
try:
    broken()
except RuntimeError:
    structlog.get_logger("hookline.app").exception("a bug")
"""


def stderr_of(folder: Path, before: str = "") -> str:
    code = LOCALS.format(store=folder / "hookline.db", before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_traceback_in_a_web_app_that_we_are_mounted_in_shows_no_variables(tmp_path: Path) -> None:
    said = stderr_of(tmp_path)
    assert "this is broken" in said
    assert "password-in-a-local" not in said


def test_what_a_web_app_has_set_up_for_its_logs_stays(tmp_path: Path) -> None:
    own = "structlog.configure(processors=[lambda *_: 'the owner says so'])"
    assert "the owner says so" in stderr_of(tmp_path, own)
