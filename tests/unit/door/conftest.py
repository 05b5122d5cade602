from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hall import Hall, make_hall

from hookline import telemetry


@pytest.fixture(autouse=True)
def _quiet() -> None:
    telemetry.quiet()


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    hall = make_hall()
    await hall.ingest.start()
    yield hall
    await hall.ingest.stop()
