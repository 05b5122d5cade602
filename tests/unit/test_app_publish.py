"""Publishing an app: the newest generation counts, and a faulty app takes nothing away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hookline.model import HandlerRoute
from hookline.store import open_store
from hookline.store.base import PublishedApp

APP = """\
from hookline import Hookline

hooks = Hookline()


@hooks.on("github", "push", ordering_key="body.ref")
async def push(event): ...
"""


def route(name: str) -> HandlerRoute:
    return HandlerRoute(name=name, source="github", types=("push",))


async def published(folder: Path) -> dict[str, PublishedApp]:
    store = await open_store(f"sqlite:///{folder}/hookline.db", role="cli")
    try:
        return {found.app: found for found in await store.published_apps()}
    finally:
        await store.close()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "hookline.app.publish", *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


async def test_an_app_publishes_what_it_handles(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APP)
    told = run(tmp_path, "shop", "--store", "sqlite:///hookline.db", "--generation", "7")
    assert (told.returncode, told.stdout) == (0, "published shop:hooks: shop.push\n"), told.stderr
    [(name, app)] = (await published(tmp_path)).items()
    assert (name, app.generation, app.error) == ("shop:hooks", 7, "")
    assert app.handlers == (HandlerRoute(name="shop.push", source="github", types=("push",), ordering_key="body.ref"),)


async def test_an_app_that_cannot_be_imported_leaves_the_last_good_one(tmp_path: Path) -> None:
    (tmp_path / "hookline.toml").write_text("")
    (tmp_path / "shop.py").write_text(APP)
    assert run(tmp_path, "shop", "--config", "hookline.toml").returncode == 0
    (tmp_path / "shop.py").write_text("1 / 0\n")
    told = run(tmp_path, "shop", "--config", "hookline.toml")
    assert told.returncode == 3
    assert "importing shop failed at shop.py:1: ZeroDivisionError" in told.stderr
    assert "Traceback" in told.stderr
    app = (await published(tmp_path))["shop:hooks"]
    assert [handler.name for handler in app.handlers] == ["shop.push"]
    assert "ZeroDivisionError" in app.error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shop.py", "--store", "sqlite:///hookline.db"], "names no app"),
        (["shop", "--store", "sqlite:///no/such/folder.db"], "does not exist"),
        (["shop", "--config", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_what_stands_in_the_way_is_said_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "shop.py").write_text(APP)
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 3
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_newer_generation_replaces_and_an_older_one_is_too_late(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/hookline.db", role="cli")
    assert await store.publish_app("a:hooks", 1, [route("old")])
    assert await store.publish_app("a:hooks", 3, [route("new")])
    assert not await store.publish_app("a:hooks", 2, [route("old")])
    assert [handler.name for handler in (await store.published_apps())[0].handlers] == ["new"]
    await store.close()


async def test_machines_of_one_generation_add_to_each_other(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/hookline.db", role="cli")
    await store.publish_app("a:hooks", 1, [route("one"), route("both")])
    await store.publish_app("a:hooks", 1, [route("both"), route("two")])
    assert [handler.name for handler in (await store.published_apps())[0].handlers] == ["one", "both", "two"]
    await store.close()


async def test_an_old_error_does_not_stain_a_newer_generation(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/hookline.db", role="cli")
    await store.publish_app("a:hooks", 2, [route("one")])
    await store.note_app_error("a:hooks", 1, "late news")
    assert (await store.published_apps())[0].error == ""
    await store.note_app_error("a:hooks", 3, "it broke")
    assert (await store.published_apps())[0].error == "it broke"
    await store.publish_app("a:hooks", 4, [route("one")])
    assert (await store.published_apps())[0].error == ""
    await store.close()


async def test_the_only_app_forgets_what_it_was_called_before(tmp_path: Path) -> None:
    for name in ("old.py", "new.py"):
        (tmp_path / name).write_text(APP)
        assert run(tmp_path, name[:-3], "--store", "sqlite:///hookline.db", "--only").returncode == 0
    assert list(await published(tmp_path)) == ["new:hooks"]


def test_an_app_tells_other_processes_what_it_says_of_settings(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        APP.replace("Hookline()", 'Hookline({"limits": {"body": "2MiB"}}, files="a.toml")')
    )
    told = run(tmp_path, "shop", "--settings")
    assert json.loads(told.stdout) == {"config": {"limits": {"body": "2MiB"}}, "files": [f"{tmp_path}/a.toml"]}
