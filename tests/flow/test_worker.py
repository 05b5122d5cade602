"""A worker claims, runs and settles: on a real store, one step at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from worker_rig import deliveries, handler, opened, put, rows, tries, worker_of

from hookline import filters
from hookline.errors import Unavailable
from hookline.handlers import Fail, Ignore, NeedsReview, Retry
from hookline.model import Event
from hookline.store.clock import FakeClock
from hookline.worker import WorkerSettings


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as store:
        yield store


async def test_an_event_reaches_its_handler_once(store):
    seen: list[Event] = []

    async def handle(event: Event) -> None:
        seen.append(event)

    await put(store, {"n": 1})
    worker = worker_of(store, handler(handle))
    assert await worker.step() == 1
    assert await worker.step() == 0
    [event] = seen
    assert (event.body, event.attempt, event.type) == ({"n": 1}, 1, "push")
    assert event.idempotency_key == f"{event.id}:app.handle"
    assert await deliveries(store) == [("succeeded", "")]


async def test_a_plain_function_runs_in_a_thread(store):
    import threading

    names: list[str] = []

    def handle(event: Event) -> None:
        names.append(threading.current_thread().name)

    await put(store, {"n": 1})
    await worker_of(store, handler(handle, is_async=False)).step()
    assert names == ["handler-1"]
    assert await deliveries(store) == [("succeeded", "")]


@pytest.mark.parametrize("raised", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    ("answer", "state"),
    [(Ignore("not ours"), "ignored"), (Fail("never"), "failed"), (NeedsReview("odd"), "needs_review")],
)
async def test_outcomes_may_be_returned_or_raised(store, answer, state, raised, is_async):
    def plain(event: Event) -> object:
        if raised:
            raise answer
        return answer

    async def handle(event: Event) -> object:
        return plain(event)

    await put(store, {"n": 1})
    await worker_of(store, handler(handle if is_async else plain, is_async=is_async)).step()
    assert await deliveries(store) == [(state, answer.reason)]


async def test_a_handler_that_raises_is_retried_until_its_schedule_ends(store, clock):
    async def handle(event: Event) -> None:
        raise ValueError(f"attempt {event.attempt}\nsecond line")

    await put(store, {"n": 1})
    worker = worker_of(store, handler(handle))
    for seconds in (5, 300, 0):
        assert await worker.step() == 1
        clock.advance(seconds)
    assert await worker.step() == 0
    assert await deliveries(store) == [("failed", "gave up after 3 attempts: ValueError: attempt 3")]
    assert [state for state, _, _ in await tries(store)] == ["pending", "pending", "failed"]


async def test_a_traceback_begins_at_the_handler_and_shows_no_values(store):
    def charge(card: str) -> None:
        raise RuntimeError("declined")

    async def handle(event: Event) -> None:
        charge("4242-secret")

    await put(store, {"n": 1})
    await worker_of(store, handler(handle)).step()
    [(error,)] = await rows(store, "select error from attempts")
    assert error.startswith("Traceback")
    assert "in handle" in error
    assert "in charge" in error
    assert "destinations/python.py" not in error
    assert "RuntimeError: declined" in error


async def test_retry_after_is_when_a_handler_says(store, clock):
    async def handle(event: Event) -> Retry | None:
        return Retry("busy", after=90) if event.attempt == 1 else None

    await put(store, {"n": 1})
    worker = worker_of(store, handler(handle))
    await worker.step()
    clock.advance(89)
    assert await worker.step() == 0
    clock.advance(1)
    assert await worker.step() == 1
    assert await deliveries(store) == [("succeeded", "")]


@pytest.mark.parametrize("problem", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("is_async", [True, False])
async def test_nothing_that_a_handler_raises_ends_the_worker(store, problem, is_async):
    def plain(event: Event) -> None:
        raise problem

    async def handle(event: Event) -> None:
        raise problem

    await put(store, {"n": 1})
    await worker_of(store, handler(handle if is_async else plain, is_async=is_async)).step()
    [(state, reason)] = await deliveries(store)
    assert state == "pending"
    assert type(problem).__name__ in reason


async def test_a_coroutine_that_outlives_its_timeout_is_stopped_and_waits_a_minute(store, clock):
    async def handle(event: Event) -> None:
        await asyncio.Event().wait()

    await put(store, {"n": 1})
    worker = worker_of(store, handler(handle, timeout=0.01))
    await worker.step()
    assert await tries(store) == [("pending", "not done within 0.01 s", 1)]
    clock.advance(59)
    assert await worker.step() == 0
    clock.advance(1)
    assert await worker.step() == 1


async def test_a_filter_ignores_and_names_its_clause(store):
    async def handle(event: Event) -> None:
        raise AssertionError("not for us")

    await put(store, {"ref": "refs/heads/dev"}, route="main-only")
    only_main = filters.compile({"body": {"ref": "refs/heads/main"}})
    await worker_of(store, handler(handle), filters={"main-only": only_main}).step()
    assert await deliveries(store) == [("ignored", 'when: body.ref = "refs/heads/main"')]


async def test_a_worker_takes_only_destinations_that_it_has(store):
    async def handle(event: Event) -> None:
        return None

    await put(store, {"n": 1}, to="app.other")
    assert await worker_of(store, handler(handle)).step() == 0
    assert await deliveries(store) == [("pending", None)]


async def test_places_bound_what_runs_at_once(store):
    running, most = 0, 0

    async def handle(event: Event) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await put(store, *range(10))
    worker = worker_of(store, handler(handle, concurrency=3))
    assert [await worker.step() for _ in range(5)] == [3, 3, 3, 1, 0]
    assert most == 3


async def test_events_with_one_ordering_key_run_one_after_the_other(store, clock):
    order: list[int] = []

    async def handle(event: Event) -> None:
        order.append(event.body)
        if event.body == 0 and event.attempt == 1:
            raise ValueError

    await put(store, 0, 1, 2, ordering_key="customer-1")
    worker = worker_of(store, handler(handle))
    assert await worker.step() == 1
    assert await worker.step() == 0  # a pending head holds its key
    clock.advance(5)
    assert [await worker.step() for _ in range(4)] == [1, 1, 1, 0]
    assert order == [0, 0, 1, 2]


async def test_a_broken_destination_object_is_retried_not_lost(store):
    class Broken:
        name, timeout, places, interruptible = "app.handle", 1.0, 1, True

        def __init__(self):
            inner = handler(lambda event: None)
            self.policy, self.limits = inner.policy, inner.limits

        async def send(self, claim):
            raise KeyError("bug")

        async def close(self):
            return None

    await put(store, {"n": 1})
    await worker_of(store, Broken()).step()
    assert await deliveries(store) == [("pending", "internal error: KeyError")]


async def test_a_running_worker_is_woken_by_work_and_stops_when_told(store):
    seen: list[int] = []
    done = asyncio.Event()

    async def handle(event: Event) -> None:
        seen.append(event.body)
        if len(seen) == 500:
            done.set()

    worker = worker_of(store, handler(handle))
    running = asyncio.create_task(worker.run())
    await put(store, *range(300))
    await put(store, *range(300, 500))
    await done.wait()
    worker.stop()
    await running
    assert sorted(seen) == list(range(500))
    assert await rows(store, "select state, count(*) from deliveries group by 1") == [("succeeded", 500)]


async def test_one_hanging_destination_does_not_hold_up_the_others(store):
    quick: list[int] = []
    done = asyncio.Event()

    async def hang(event: Event) -> None:
        await asyncio.Event().wait()

    async def handle(event: Event) -> None:
        quick.append(event.body)
        if len(quick) == 100:
            done.set()

    settings = WorkerSettings(drain=0.01)
    worker = worker_of(store, handler(hang, name="app.hang"), handler(handle), settings=settings)
    await put(store, *range(100), to=["app.hang", "app.handle"])
    running = asyncio.create_task(worker.run())
    await done.wait()
    worker.stop()
    await running
    states = "select destination, state, count(*) from deliveries group by 1, 2 order by 1, 2"
    assert await rows(store, states) == [("app.handle", "succeeded", 100), ("app.hang", "pending", 100)]


async def test_stopping_waits_for_what_runs(store):
    started, go = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        started.set()
        await go.wait()

    await put(store, 1)
    worker = worker_of(store, handler(handle))
    running = asyncio.create_task(worker.run())
    await started.wait()
    worker.stop()
    await put(store, 2)
    go.set()
    await running
    assert await deliveries(store) == [("succeeded", ""), ("pending", None)]


async def test_what_does_not_end_in_time_is_handed_back_without_using_up_an_attempt(store):
    started = asyncio.Event()

    async def handle(event: Event) -> None:
        started.set()
        await asyncio.Event().wait()

    await put(store, 1)
    worker = worker_of(store, handler(handle), settings=WorkerSettings(drain=0.01))
    running = asyncio.create_task(worker.run())
    await started.wait()
    worker.stop()
    await running
    assert await tries(store) == [("pending", "the worker was stopped", 0)]

    async def again(event: Event) -> None:
        assert event.attempt == 1

    assert await worker_of(store, handler(again), name="w2").step() == 1
    assert await deliveries(store) == [("succeeded", "")]


async def test_a_store_that_cannot_take_settlements_is_asked_again(store, monkeypatch):
    """Nothing runs twice for it: the leases are kept meanwhile."""
    seen: list[int] = []
    done = asyncio.Event()
    settle, refused = store.settle, [2]

    async def handle(event: Event) -> None:
        seen.append(event.body)

    async def unsure(settlements):
        if refused[0]:
            refused[0] -= 1
            raise Unavailable("the disk is full")
        done.set()
        return await settle(settlements)

    monkeypatch.setattr(store, "settle", unsure)
    await put(store, 1, 2)
    worker = worker_of(store, handler(handle))
    running = asyncio.create_task(worker.run())
    await done.wait()
    worker.stop()
    await running
    assert sorted(seen) == [1, 2]
    assert await deliveries(store) == [("succeeded", "")] * 2


async def test_one_settlement_that_cannot_be_written_holds_up_no_other(store, monkeypatch):
    settle = store.settle

    async def handle(event: Event) -> None:
        return None

    async def picky(settlements):
        if any(entry.claim.event.body == "bad" for entry in settlements):
            raise ValueError("no such thing")
        return await settle(settlements)

    monkeypatch.setattr(store, "settle", picky)
    await put(store, 1, "bad", 2)
    worker = worker_of(store, handler(handle))
    await worker.step()
    assert [state for state, _ in await deliveries(store)] == ["succeeded", "pending", "succeeded"]
    assert worker.held == {}


async def test_a_store_that_cannot_be_claimed_from_is_asked_again(store, monkeypatch):
    done = asyncio.Event()
    claim, broken = store.claim, [Unavailable("busy", retry_after=0), ValueError("a torn row")]

    async def handle(event: Event) -> None:
        done.set()

    async def unsure(*args):
        if broken:
            raise broken.pop(0)
        return await claim(*args)

    monkeypatch.setattr(store, "claim", unsure)
    await put(store, 1)
    worker = worker_of(store, handler(handle), settings=WorkerSettings(poll=0.01))
    running = asyncio.create_task(worker.run())
    await done.wait()
    worker.stop()
    await running
    assert await deliveries(store) == [("succeeded", "")]
