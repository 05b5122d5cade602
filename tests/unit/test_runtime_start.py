from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookline.runtime.start import hand_down, load

SOURCE = '[sources.github]\nprovider = "github"\nsecrets = ["env:NOT_SET_HERE"]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_CODE", "")  # so that whatever is set is taken back
    monkeypatch.delenv("HOOKLINE_CODE")
    return tmp_path


def test_a_source_without_its_secret_stops_only_a_strict_start(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "hookline.toml").write_text(SOURCE)
    assert load([], {}) is not None
    assert load([], {}, strict=True) is None
    told = capsys.readouterr().err
    assert "hookline.toml:3: sources.github.secrets[0]: env:NOT_SET_HERE" in told
    assert "no handler" not in told


def test_a_faulty_file_is_told_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "hookline.toml").write_text("[server]\npublic = 1\nadmin = 2\n")
    assert load([], {}) is None
    assert capsys.readouterr().err.count("hookline: hookline.toml:") == 2


@pytest.mark.parametrize("named", [True, False])
def test_settings_in_code_are_handed_down(folder: Path, named: bool) -> None:
    (folder / "shop.py").write_text(
        'from hookline import Hookline\n\nhooks = Hookline({"limits": {"body": "2MiB"}}, files="shop.toml")\n'
    )
    (folder / "shop.toml").write_text("")
    (folder / "hookline.toml").write_text('[server]\napp = "shop:hooks"\n')
    paths = hand_down("shop" if named else None, [])
    assert paths == [str(folder / "shop.toml")]
    config = load(paths, {})
    assert config is not None
    assert config.limits.body == 2 << 20
    assert hand_down("shop", ["other.toml"]) == ["other.toml"]


def test_an_app_that_cannot_be_imported_hands_nothing_down(folder: Path) -> None:
    (folder / "shop.py").write_text("1 / 0\n")
    assert hand_down("shop", ["a.toml"]) == ["a.toml"]
    assert "HOOKLINE_CODE" not in os.environ
