"""The table of destination types, and its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hookline.config import Config
from hookline.config import Destination as Settings
from hookline.destinations import build
from hookline.destinations.makers import MAKERS, Options, Surroundings
from hookline.errors import ConfigError

PAGE = (Path(__file__).parents[2] / "docs/reference/destinations.md").read_text()
LEAST: dict[str, dict[str, Any]] = {
    "http": {"url": "https://example.com"},
    "slack": {"url": "https://example.com"},
    "email": {"host": "mail.example.com", "from": "a@example.com", "to": "b@example.com"},
    "command": {"command": ["/bin/sh"]},
    "notify": {"urls": ["json://example.com"]},
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise's own imports
@pytest.mark.parametrize("type", MAKERS)
def test_every_key_of_a_destination_is_on_its_page(type: str):
    options = Options(LEAST[type], "destinations.x")
    MAKERS[type](Settings(name="x", type=type), options, Surroundings(Config(), lambda: 0.0))
    section = PAGE.partition("## All of them")[2].partition("\n## ")[0]
    section += PAGE.partition(f"\n## {type}\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`([a-z_]+)`", section))
    assert set(options._known) <= documented


def test_an_unknown_type_is_told_which_there_are():
    with pytest.raises(ConfigError, match=r'destinations\.x\.type: "htp" is not known — write "http", "slack"'):
        build(Settings(name="x", type="htp"), Config())
