"""The pytest plugin: ``webhooks`` is your app, ready to be sent to; ``hookline_app`` says which app that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hookline.app import Hookline
    from hookline.testing.client import Webhooks


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("hookline_app", "Where your Hookline is, module:attribute.", default="app:hooks")


@pytest.fixture
def hookline_app(request: pytest.FixtureRequest) -> Hookline:
    """The app under test: what ``hookline_app`` in pytest's settings names, ``app:hooks`` by default. Override it in a
    conftest to make one for each test."""
    from hookline.app.imports import find_app

    return find_app(str(request.config.getini("hookline_app")), str(request.config.rootpath))


@pytest.fixture
def webhooks(hookline_app: Hookline, tmp_path: Path) -> Iterator[Webhooks]:
    """Your handlers behind the real ingest, store and worker, under a clock that only you move."""
    from hookline.testing.client import Webhooks

    with Webhooks(hookline_app, tmp_path) as client:
        yield client
