"""Importing a user's module: what is there is found, what is not is told in his words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.app.imports import ImportTrouble, app_name, find_app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, text: str, name: str = "shop.py") -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


APP = """\
from hookline import Hookline

hooks = Hookline()


@hooks.on("github", "push")
async def push(event): ...
"""


def trouble(reference: str) -> ImportTrouble:
    with pytest.raises(ImportTrouble) as caught:
        find_app(reference)
    return caught.value


@pytest.mark.parametrize("reference", ["shop:hooks", "shop"])
def test_an_app_is_found_in_the_working_directory(folder: Path, reference: str) -> None:
    write(folder, APP)
    assert list(find_app(reference).handlers) == ["shop.push"]


def test_an_app_is_found_within_a_package_and_an_object(folder: Path) -> None:
    write(folder, APP + "\n\nclass Parts:\n    inner = hooks\n", "shopfront/web.py")
    assert list(find_app("shopfront.web:Parts.inner").handlers) == ["shopfront.web.push"]


def test_one_app_has_one_name() -> None:
    assert app_name("shop") == app_name("shop:hooks") == "shop:hooks"


@pytest.mark.parametrize("reference", ["", "shop.py", "./shop", "shop:", ":hooks", "a b", "shop.py:hooks", "1:2"])
def test_what_names_no_app_is_told(reference: str) -> None:
    with pytest.raises(ImportTrouble, match="module:attribute"):
        app_name(reference)


def test_a_module_that_is_not_there_is_guessed_at(folder: Path) -> None:
    write(folder, APP)
    assert "did you mean shop?" in str(trouble("shopp:hooks"))
    assert "looked in" in str(trouble("unlike.anything:hooks"))


def test_an_attribute_that_is_not_there_is_guessed_at(folder: Path) -> None:
    write(folder, APP)
    assert str(trouble("shop:hook")) == "shop has no 'hook': did you mean shop:hooks?"


def test_a_module_without_an_app_says_what_to_write(folder: Path) -> None:
    write(folder, "x = 1\n")
    assert "write hooks = Hookline()" in str(trouble("shop:hooks"))
    assert "is a int, not a Hookline" in str(trouble("shop:x"))


def test_an_error_at_import_shows_the_users_own_lines_only(folder: Path) -> None:
    write(folder, "import helper\n")
    write(folder, "def boom():\n    return 1 / 0\n\n\nboom()\n", "helper.py")
    told = trouble("shop:hooks")
    assert str(told) == "importing shop failed at helper.py:2: ZeroDivisionError: division by zero"
    files = [line.split('"')[1] for line in told.detail.splitlines() if line.startswith("  File")]
    assert files == [str(folder / "shop.py"), str(folder / "helper.py"), str(folder / "helper.py")]


def test_a_library_that_is_missing_is_not_taken_for_the_app(folder: Path) -> None:
    write(folder, "import a_library_that_nobody_has\n")
    told = trouble("shop:hooks")
    assert (
        str(told)
        == "importing shop failed at shop.py:1: ModuleNotFoundError: No module named 'a_library_that_nobody_has'"
    )


@pytest.mark.parametrize(("text", "word"), [("def (:\n", "SyntaxError"), ("raise SystemExit(3)\n", "SystemExit: 3")])
def test_whatever_an_import_does_is_told(folder: Path, text: str, word: str) -> None:
    write(folder, text)
    assert word in str(trouble("shop:hooks"))


def test_a_handler_that_could_not_work_is_told_with_its_place(folder: Path) -> None:
    write(folder, APP.replace("(event)", "()"))
    assert "shop.py:6: this handler is called with one argument" in str(trouble("shop:hooks"))
