"""An event is accepted, claimed and settled."""

from __future__ import annotations

from contract.say import accept_one, claim, counts, settled
from hookline.model import RequestOutcome, State
from hookline.store.clock import FakeClock
from hookline.store.sqlite.store import SqliteStore


async def test_an_accepted_event_is_claimed_with_its_exact_bytes(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", b'{"n": 1}\x00')
    assert receipt.outcome is RequestOutcome.ACCEPTED
    assert receipt.woken == ("app.paid",)
    [taken] = await claim(store)
    assert taken.event_number == receipt.events[0]
    assert taken.event.raw == taken.event.item == b'{"n": 1}\x00'
    assert taken.event.target == b"/webhooks/x?a=%00"
    assert taken.event.headers[1:] == [(b"X-Twice", b"1"), (b"x-twice", b"2")]
    assert (taken.attempt, taken.lease, taken.event.type) == (1, 1, "push")


async def test_settling_ends_a_delivery_and_counts_it(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a")
    assert await counts(store, receipt.events[0]) == {"pending": 1}
    [taken] = await claim(store)
    assert await store.settle([settled(taken)]) == [True]
    assert await counts(store, receipt.events[0]) == {"succeeded": 1}
    assert await claim(store) == []


async def test_a_retry_waits_for_its_time(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    [taken] = await claim(store)
    await store.settle([settled(taken, State.PENDING, due_at=clock.now() + 5)])
    assert await claim(store) == []
    clock.advance(5)
    [again] = await claim(store)
    assert (again.attempt, again.trigger.value, again.lease) == (2, "retry", 2)
    assert again.first_due_at == taken.first_due_at


async def test_settling_after_a_lost_lease_changes_nothing(store: SqliteStore, clock: FakeClock) -> None:
    receipt = await accept_one(store, "a")
    [stale] = await claim(store, seconds=60)
    clock.advance(61)
    [owner] = await claim(store, seconds=60, worker="w2")
    assert owner.lease > stale.lease
    assert await store.settle([settled(stale, State.FAILED)]) == [False]
    assert await counts(store, receipt.events[0]) == {"pending": 1}
    assert await store.settle([settled(owner)]) == [True]
