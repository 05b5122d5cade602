"""The reference pages are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookline.admin import reference as api
from hookline.admin.operations import OPERATIONS
from hookline.cli import COMMANDS
from hookline.cli import reference as cli

PAGES = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(("name", "module"), [("cli", cli), ("api", api)])
def test_the_page_is_current(name, module):
    written = (PAGES / f"{name}.md").read_text()
    assert written == module.page(), f"run: python -m {module.__name__} > docs/reference/{name}.md"


def test_every_command_and_operation_is_on_its_page():
    page = (PAGES / "cli.md").read_text()
    assert [name for name in COMMANDS if f"### `hookline {name}`" not in page] == []
    page = (PAGES / "api.md").read_text()
    assert [row.path for row in OPERATIONS.values() if f"`{row.method} /api/v1{row.path}`" not in page] == []
