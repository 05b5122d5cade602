"""``make demo`` as a stranger meets it: one command, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HOOKLINE = (sys.executable, "-m", "hookline")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return subprocess.run(
        [*HOOKLINE, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=110, check=False
    )


def test_the_demo_plays_and_everything_it_says_to_look_at_is_there(tmp_path: Path) -> None:
    played = run(tmp_path, "demo", "--once")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "expected" not in played.stdout
    home = tmp_path / "demo"
    told = run(home, "explain", "latest charge.refunded")
    assert "the shop's database is not up yet" in told.stdout
    assert "processed" in told.stdout
    rejected = run(home, "requests", "list", "-q", "outcome:rejected")
    assert "bad signature" in rejected.stdout
    assert run(home, "check").returncode == 0
    again = run(tmp_path, "demo", "--once")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = run(tmp_path, "demo", "--once", "--folder", "file/demo")
    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
    assert "--folder" in refused.stderr


def test_the_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "demo" / "precious.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    refused = run(tmp_path, "demo", "--once")
    assert refused.returncode == 3
    assert "was not made by the demo" in refused.stderr
    assert mine.read_text() == "mine"
