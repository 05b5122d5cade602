"""A request that is judged again is kept as carefully as one that has just come."""

from __future__ import annotations

from pathlib import Path

from hookline import ids
from hookline.admin.operations import OPERATIONS
from hookline.admin.operations.base import Desk, Person, perform
from hookline.config import load
from hookline.model import Request, RequestOutcome
from hookline.store import open_store
from hookline.store.base import RequestNote
from hookline.store.sqlite.store import SqliteStore

TOKEN = "the-token-that-the-file-had-wrong"


async def rejected(store: SqliteStore) -> str:
    """A request with a token that nobody knew then; its id."""
    request = Request(
        method="POST",
        target=b"/webhooks/billing",
        headers=[(b"X-Token", TOKEN.encode())],
        body=b'{"echo": "%b"}' % TOKEN.encode(),
        received_at=store.now(),
    )
    note = RequestNote(
        source="billing", outcome=RequestOutcome.REJECTED, reason="bad signature", status=401, request=request
    )
    await store.note([note])
    [row] = (await store.list_requests(limit=1)).data
    return ids.show("req", row.id)


async def test_a_secret_that_was_none_when_it_came_is_masked_once_it_is(tmp_path: Path) -> None:
    file = tmp_path / "hookline.toml"
    file.write_text(f'[sources.billing]\nprovider = "token"\nsecrets = ["{TOKEN}"]\ntoken = {{ header = "X-Token" }}\n')
    config, problems = load([file])
    assert config is not None, problems
    store = await open_store(f"sqlite:///{tmp_path}/hookline.db", role="admin")
    try:
        desk = Desk(store=store, config=config, who=Person("somebody", "operator"), now=store.now())
        name = await rejected(store)
        verdict = await perform(OPERATIONS["reverify_request"], desk, {"id": name}, strict=True)
        found = ids.read(verdict.events[0], "evt")
        assert found is not None
        told = await store.event(found[1])
        assert told is not None
        assert told.headers == [(b"X-Token", b"***")]
        assert told.raw == b'{"echo": "***"}'
    finally:
        await store.close()
