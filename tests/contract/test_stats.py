"""What happened and what waits, out of roll-ups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.say import accept_one, arrival, claim, event, settled
from hookline.model import Outcome, RequestOutcome, State
from hookline.store import open_store
from hookline.store.base import RequestNote, Want
from hookline.store.clock import FakeClock
from hookline.store.rollup import bounds, bucket
from hookline.store.sqlite import stats
from hookline.store.sqlite.store import SqliteStore

HOUR = 3_600.0


async def handle(store: SqliteStore, state: State = State.SUCCEEDED) -> None:
    await store.settle([settled(held, state, at=store.now()) for held in await claim(store)])


async def test_a_span_counts_requests_events_attempts_and_durations(store: SqliteStore, clock: FakeClock) -> None:
    start = store.now()
    await store.accept([arrival(event("a", occurred_at=start - 3), at=start), arrival(event("b", to=()), at=start)])
    await store.accept([arrival(event("a"), at=start)])
    refused = arrival().request
    await store.note(
        [RequestNote(source="github", outcome=RequestOutcome.REJECTED, reason="no", status=401, request=refused)]
    )
    clock.advance(2)
    await handle(store)
    found = await store.totals(start, start + 60)
    assert found.requests == {"accepted": 2, "duplicate": 1, "rejected": 1}
    assert found.events == {"pending": 1, "ignored": 1, "duplicate": 1}
    assert found.attempts == {"succeeded": 1}
    assert found.durations["lag"].p50 == pytest.approx(3, rel=0.2)
    assert found.durations["wait"].p99 == pytest.approx(2, rel=0.2)
    assert found.durations["took"].p95 == pytest.approx(0.5, rel=0.2)
    nothing = await store.totals(start + 60, start + 120)
    assert (nothing.requests, nothing.durations) == ({}, {})
    assert (await store.totals(start, start + 60, source="stripe")).requests == {}
    assert (await store.totals(start, start + 60, destination="app.paid")).attempts == {"succeeded": 1}
    assert set(await store.totals_by_source(start, start + 60)) == {"github"}
    assert (await store.totals_by_destination(start, start + 60))["app.paid"].attempts == {"succeeded": 1}


async def test_a_series_has_a_point_for_each_step_that_has_something(store: SqliteStore, clock: FakeClock) -> None:
    start = store.now()
    for minutes in (0, 4, 5, 21):
        clock.advance(start + minutes * 60 - store.now())
        await accept_one(store, str(minutes))
        await handle(store)
    counts = await store.series("events", start, start + HOUR, 5)
    assert [(point.at - start, point.counts) for point in counts] == [
        (0, {"pending": 2}),
        (300, {"pending": 1}),
        (1_200, {"pending": 1}),
    ]
    took = await store.series("took", start, start + HOUR, 60)
    assert [point.percentiles.count for point in took if point.percentiles is not None] == [4]


async def test_destinations_say_what_waits_since_when_and_who_takes_it(store: SqliteStore, clock: FakeClock) -> None:
    start = store.now()
    await accept_one(store, "a")
    clock.advance(10)
    await accept_one(store, "b", to=("app.paid", "app.other"))
    await store.pause("app.other", "CI moves", who="ann")
    await store.worker_seen("w1", 1, ["app.paid", "app.idle"])
    other, idle, paid = await store.list_destinations()
    rows = {row.name: row for row in (other, idle, paid)}
    assert rows["app.paid"].counts == {"pending": 2}
    assert rows["app.paid"].oldest_due_at == start
    assert (rows["app.other"].state, rows["app.other"].reason) == ("paused", "CI moves")
    assert (rows["app.idle"].counts, rows["app.idle"].workers) == ({}, 1)
    await handle(store)
    rows = {row.name: row for row in await store.list_destinations()}
    assert (rows["app.paid"].counts, rows["app.paid"].oldest_due_at) == ({"succeeded": 2}, None)
    clock.advance(61)
    assert {row.workers for row in await store.list_destinations()} == {0}


async def test_a_destination_that_keeps_failing_shows_as_broken_until_it_is_resumed(store: SqliteStore) -> None:
    for number in range(20):
        await accept_one(store, str(number))
    want = Want(slots=100, breaker=True)
    refused = Outcome(reason="HTTP 503", code=503)
    held = await claim(store, want=want)
    await store.settle([settled(one, State.FAILED, outcome=refused, at=store.now()) for one in held])
    [row] = await store.list_destinations()
    assert row.state == "broken"
    assert row.reason
    await store.resume("app.paid", who="ann")
    [row] = await store.list_destinations()
    assert row.state == "open"


async def test_sources_say_when_they_were_heard_of_last(store: SqliteStore, clock: FakeClock) -> None:
    for key in ("a", "b"):
        clock.advance(60)
        await store.accept([arrival(event(key), at=store.now())])
    await store.accept([arrival(event("c"), source="stripe", at=store.now())])
    assert await store.last_events() == {"github": store.now(), "stripe": store.now()}


async def test_old_minutes_become_steps_then_hours_and_the_sums_stay(store: SqliteStore, clock: FakeClock) -> None:
    start = store.now() // HOUR * HOUR + HOUR
    clock.advance(start - store.now())
    for _ in range(90):
        await accept_one(store, str(store.now()))
        await handle(store)
        clock.advance(60)
    before = await store.totals(start, start + 4 * HOUR)
    line = await store.series("events", start, start + 2 * HOUR, 15)

    async def rows() -> int:
        statement = "select count(distinct minute), max(writer) from counters where minute < ?"
        [(minutes, writer)] = await store.read(lambda tx: tx.sql(statement, ((start + 2 * HOUR) // 60,)))
        assert (writer == 0) == (minutes < 90)
        return int(minutes)

    assert await rows() == 90
    for days, left in ((0.25, 18), (3, 2), (3, 2)):
        clock.advance(days * 86_400)
        await accept_one(store, str(store.now()))
        await store.fold_counters()
        assert await rows() == left
        assert await store.totals(start, start + 4 * HOUR) == before
        assert (await store.totals(store.now() - 60, store.now() + 60)).events == {"pending": 1}
        if days < 1:
            assert await store.series("events", start, start + 2 * HOUR, 15) == line


async def test_counts_of_writers_that_are_gone_are_put_together(url: str, clock: FakeClock) -> None:
    for number in range(20):
        store = await open_store(url, role="test", clock=clock)
        await accept_one(store, str(number))
        await store.close()
    store = await open_store(url, role="test", clock=clock)
    await store.fold_counters()
    [row] = await store.list_destinations()
    assert row.counts == {"pending": 20}
    [(writers,)] = await store.read(lambda tx: tx.sql("select count(distinct writer) from delivery_counts"))
    assert writers == 1
    await store.close()


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_numbers_within_a_bucket(seconds: list[float]) -> None:
    buckets: dict[int, int] = {}
    for value in seconds:
        buckets[bucket(value)] = buckets.get(bucket(value), 0) + 1
    found = stats.percentiles(sorted(buckets.items()))
    assert found.count == len(seconds)
    for share, answer in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        rank = max(0, -(-len(seconds) * share // 1) - 1)
        low, high = bounds(bucket(sorted(seconds)[int(rank)]))
        assert low <= answer <= high
