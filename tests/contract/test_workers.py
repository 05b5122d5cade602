"""Who works is known from what workers say of themselves."""

from __future__ import annotations

from contract.say import accept_one, claim, settled
from hookline.store.clock import FakeClock
from hookline.store.sqlite.store import SqliteStore


async def test_a_worker_is_seen_until_it_has_been_silent_for_a_minute(store: SqliteStore, clock: FakeClock) -> None:
    assert not await store.anybody_works()
    await store.worker_seen("w1", 4711, ["app.paid"])
    clock.advance(59)
    assert await store.anybody_works()
    clock.advance(2)
    assert not await store.anybody_works()
    await store.worker_seen("w1", 4711, ["app.paid"])
    assert await store.anybody_works()


async def test_a_worker_that_leaves_is_gone_at_once(store: SqliteStore) -> None:
    await store.worker_seen("w1", 4711, [])
    await store.worker_seen("w2", 4712, [])
    await store.worker_gone("w1")
    assert await store.anybody_works()
    await store.worker_gone("w2")
    assert not await store.anybody_works()


async def test_open_deliveries_are_counted(store: SqliteStore) -> None:
    assert await store.open_deliveries() == 0
    await accept_one(store, "a", to=("app.paid", "app.told"))
    await accept_one(store, "b")
    assert await store.open_deliveries() == 3
    [one, *_] = await claim(store)
    await store.settle([settled(one)])
    assert await store.open_deliveries() == 2
