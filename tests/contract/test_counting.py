"""Counts, durations and the request log."""

from __future__ import annotations

from typing import Any

import pytest

from contract.say import NOW, accept_one, arrival, claim, event, settled
from hookline.model import Outcome, Request, RequestOutcome, State
from hookline.store import rollup
from hookline.store.base import RequestNote
from hookline.store.clock import FakeClock
from hookline.store.sqlite.store import SqliteStore


async def rows(store: SqliteStore, text: str) -> list[tuple[Any, ...]]:
    return await store.read(lambda tx: tx.sql(text))


def noted(number: int, reason: str = "bad signature", size: int = 2, source: str | None = "github") -> RequestNote:
    request = Request(
        method="POST",
        target=b"/webhooks/github",
        headers=[(b"X-Hub-Signature-256", b"sha256=\xff\x00")],
        body=bytes(number % 256 for _ in range(size)),
        received_at=NOW,
        peer=f"192.0.2.{number % 250}",
    )
    return RequestNote(source=source, outcome=RequestOutcome.REJECTED, reason=reason, status=401, request=request)


async def test_the_deliveries_of_a_destination_are_counted_by_state(store: SqliteStore, clock: FakeClock) -> None:
    await store.accept([arrival(event(str(n))) for n in range(5)])
    one, two, three, *_ = await claim(store)
    later = settled(three, State.PENDING, due_at=clock.now() + 5)
    await store.settle([settled(one), settled(two, State.FAILED), later])
    found = await rows(store, "select state, sum(count) from delivery_counts group by state order by state")
    assert found == [("failed", 1), ("pending", 3), ("succeeded", 1)]


async def test_requests_events_and_attempts_are_counted_by_the_minute(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a", occurred_at=NOW - 3)
    await accept_one(store, "a")
    [taken] = await claim(store)
    clock.advance(60)
    await store.settle([settled(taken, State.PENDING, due_at=clock.now() + 5)])
    first, second = int(NOW // 60), int(NOW // 60) + 1
    found = await rows(
        store, "select minute, metric, source, destination, outcome, sum(count) from counters group by 1, 2, 3, 4, 5"
    )
    assert found == [
        (first, "events", "github", "", "duplicate", 1),
        (first, "events", "github", "", "pending", 1),
        (first, "requests", "github", "", "accepted", 1),
        (first, "requests", "github", "", "duplicate", 1),
        (second, "attempts", "github", "app.paid", "retry", 1),
    ]
    durations = await rows(store, "select metric, bucket from histograms order by metric")
    assert durations == [("lag", rollup.bucket(3)), ("took", rollup.bucket(0.5)), ("wait", 0)]


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.00011, 0.5, 1.0, 59.9, 86_400.0])
def test_a_duration_lies_within_the_bounds_of_its_bucket(seconds: float) -> None:
    low, high = rollup.bounds(rollup.bucket(seconds))
    assert low <= seconds <= high * 1.000001


async def test_an_attempt_keeps_what_was_sent_and_what_came_back(store: SqliteStore) -> None:
    await accept_one(store, "a")
    [taken] = await claim(store)
    outcome = Outcome(
        state=State.FAILED, reason="410", code=410, sent="POST /\0", received=b"\x00\xff", error="x\ud800", unknown=True
    )
    await store.settle([settled(taken, State.FAILED, outcome=outcome, reason="gone\0")])
    text = "select worker, state, reason, code, unknown, sent, received, error from attempts"
    assert await rows(store, text) == [("w1", "failed", "gone␀", 410, 1, "POST /␀", b"\x00\xff", "x?")]
    assert await rows(store, "select state, reason, code from deliveries") == [("failed", "gone␀", 410)]


async def test_a_claim_given_back_uses_up_no_attempt(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    [taken] = await claim(store)
    await store.settle([settled(taken, State.PENDING, due_at=clock.now(), counted=False)])
    [again] = await claim(store)
    assert (again.attempt, again.trigger.value) == (1, "initial")
    assert await rows(store, "select try, attempt, counted from attempts") == [(1, 1, 0)]


async def test_a_rejected_request_is_kept_with_its_reason_and_is_no_event(store: SqliteStore) -> None:
    await store.note([noted(1), noted(2, source=None, reason="unknown path")])
    found = await rows(store, "select source, outcome, reason, status, size from requests order by id")
    assert found == [("github", "rejected", "bad signature", 401, 2), (None, "rejected", "unknown path", 401, 2)]
    assert await rows(store, "select count(*) from events") == [(0,)]


async def test_one_address_and_reason_fills_no_log_but_all_are_counted(store: SqliteStore, clock: FakeClock) -> None:
    await store.note([noted(7) for _ in range(250)])
    assert await rows(store, "select count(*) from requests") == [(100,)]
    assert await rows(store, "select outcome, count from counters") == [("rejected", 250)]
    clock.advance(3600)
    await store.note([noted(7)])
    assert await rows(store, "select count(*) from requests") == [(101,)]


async def test_the_log_of_a_source_forgets_its_oldest_rows(store: SqliteStore) -> None:
    store.bound_requests(rows=150, size=1 << 20, an_hour=100)
    await accept_one(store, "kept")
    for start in range(0, 400, 100):
        await store.note([noted(number, reason=f"r{number}") for number in range(start, start + 100)])
    await store.note([noted(1, source=None)])
    [(count,)] = await rows(store, "select count(*) from requests where source = 'github' and outcome = 'rejected'")
    assert 100 <= count <= 250
    assert await rows(store, "select count(*) from requests where outcome = 'accepted'") == [(1,)]
    assert await rows(store, "select count(*) from requests where reason = 'r399'") == [(1,)]
    assert await rows(store, "select count(*) from requests where reason = 'r0'") == [(0,)]


async def test_the_log_of_a_source_is_bounded_in_bytes_too(store: SqliteStore) -> None:
    store.bound_requests(rows=1_000, size=1_000, an_hour=100)
    await store.note([noted(number, reason=f"r{number}") for number in range(100)])
    [(size,)] = await rows(store, "select coalesce(sum(length(content)), 0) from requests")
    assert size <= 1_000
