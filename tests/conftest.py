"""What all tests share. Coroutine tests run on asyncio by themselves (anyio_mode = auto)."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}
