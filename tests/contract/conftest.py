"""The contract suite runs on every database that Hookline knows: a store under a clock that only tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookline.store import open_store
from hookline.store.clock import FakeClock
from hookline.store.sqlite.store import SqliteStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    assert request.param == "sqlite"
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
async def store(url: str, clock: FakeClock) -> AsyncIterator[SqliteStore]:
    opened = await open_store(url, role="test", clock=clock)
    yield opened
    await opened.close()
