"""Workers that die, hang or lose their leases: nobody innocent is condemned, and nothing waits for a person."""

from __future__ import annotations

import asyncio
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from worker_rig import deliveries, handler, opened, put, rows, tries, worker_of

from hookline import filters
from hookline.model import Event, Outcome, State, Trigger
from hookline.retry import Policy
from hookline.store.base import Want
from hookline.store.clock import FakeClock
from hookline.store.sqlite.requeue import Ended, requeue
from hookline.worker import WorkerSettings
from hookline.worker.alone import Alone
from hookline.worker.board import Board, Crashed, crashed, fresh_path
from hookline.worker.keeper import REPLACE_ME, Keeper


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as store:
        yield store


# -- the board ----------------------------------------------------------------------------------------------------


def left_behind(board: Board) -> None:
    """As the kernel does for a dead process: the lock goes, the file stays."""
    board._map.close()
    os.close(board._file)


def test_a_dead_workers_board_tells_what_it_was_running(tmp_path: Path):
    board = Board(fresh_path(tmp_path, "store.db"), "w1", "boot-1")
    board.mark(7, 1)
    board.mark(8, 2)
    board.mark(9, 3)
    board.clear(8, 2)
    board.clear(100, 1)
    assert list(crashed(tmp_path, "store.db", "boot-1")) == []  # its owner lives
    left_behind(board)
    assert list(crashed(tmp_path, "store.db", "boot-1")) == [Crashed("w1", ((7, 1), (9, 3)))]
    assert list(crashed(tmp_path, "store.db", "boot-1")) == []  # told once


def test_a_restart_of_the_machine_condemns_nobody(tmp_path: Path):
    board = Board(fresh_path(tmp_path, "store.db"), "w1", "boot-1")
    board.mark(7, 1)
    left_behind(board)
    assert list(crashed(tmp_path, "store.db", "boot-2")) == [Crashed("w1", ())]


def test_an_orderly_end_leaves_no_board(tmp_path: Path):
    Board(fresh_path(tmp_path, "store.db"), "w1", "boot-1").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"x", b"hkboard1", b"\0" * 300, b"hkboard1" + b"\xff" * 9_000])
def test_any_file_can_lie_where_a_board_should(tmp_path: Path, content: bytes):
    (tmp_path / "store.db-board-1-0").write_bytes(content)
    for dead in crashed(tmp_path, "store.db", "boot-1"):
        assert dead.running == ()
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_board_holds_goes_unmarked(tmp_path: Path):
    board = Board(fresh_path(tmp_path, "store.db"), "w1", "b")
    for number in range(1, 5_000):
        board.mark(number, 1)
    for number in range(1, 5_000):
        board.clear(number, 1)
    board.mark(1, 1)
    left_behind(board)
    assert next(crashed(tmp_path, "store.db", "b")).running == ((1, 1),)


# -- poison -------------------------------------------------------------------------------------------------------


async def test_poison_ends_in_review_and_its_neighbours_succeed(tmp_path: Path):
    """A handler that kills its process, beside one that was merely running at that moment and one that had ended."""
    async with opened(tmp_path) as store:
        await put(store, {"do": "nothing"}, {"do": "wait-once"}, {"do": "poison"})
        path = store.path
    script = str(Path(__file__).with_name("crashing.py"))
    codes = []
    while not codes or codes[-1] != 0:
        assert len(codes) < 5
        codes.append(
            subprocess.run([sys.executable, script, str(path)], timeout=60, stderr=subprocess.DEVNULL).returncode
        )
    assert len(codes) == 2, "only the first crash may take a worker along"
    async with opened(tmp_path) as store:
        assert await deliveries(store) == [
            ("succeeded", ""),
            ("succeeded", ""),
            ("needs_review", "it crashed 5 times: its process died of SIGSEGV"),
        ]
        assert await rows(store, "select crashes from deliveries order by id") == [(0,), (1,), (5,)]
    runs = Counter(Path(f"{path}.runs").read_text().splitlines())
    assert runs == {"nothing 0": 1, "wait-once 0": 1, "wait-once 1": 1, "poison 0": 1, "poison 1": 4}
    assert list(tmp_path.glob("*-board-*")) == []


async def test_five_crashes_need_review_before_the_sixth(store):
    async def handle(event: Event) -> None:
        raise AssertionError("not again")

    await put(store, 1)
    for _ in range(5):
        [claim] = await store.claim("dead", {"app.handle": Want(slots=1)}, 60)
        await store.bury("dead", [(claim.delivery, claim.lease)])
    await worker_of(store, handler(handle)).step()
    [(state, reason)] = await deliveries(store)
    assert state == "needs_review"
    assert reason.startswith("the worker crashed 5 times while it ran")


async def test_what_a_dead_worker_had_merely_claimed_counts_no_crash(store):
    await put(store, 1, 2)
    running, _ = await store.claim("dead", {"app.handle": Want(slots=2)}, 60)
    assert await store.bury("dead", [(running.delivery, running.lease)]) == 2
    assert await rows(store, "select crashes from deliveries order by id") == [(1,), (0,)]


async def suspect(store, body: object = 1, **more) -> None:
    """A delivery that was running when a worker died."""
    await put(store, body, **more)
    [claim] = await store.claim("dead", {"app.handle": Want(slots=1)}, 60)
    await store.bury("dead", [(claim.delivery, claim.lease)])


async def never(event: Event) -> None:
    raise AssertionError("not in this process")


async def test_a_suspect_that_waits_for_its_turn_is_nobodys_hanging(store):
    """It has a process of its own, and that one its own time: the worker is not replaced for it."""
    asked, go, codes = asyncio.Event(), asyncio.Event(), []

    async def alone(claim, timeout):
        asked.set()
        await go.wait()
        return Outcome(state=State.SUCCEEDED)

    await suspect(store)
    worker = worker_of(store, handler(never, timeout=0.001), alone=alone)
    stepping = await hold(store, worker, asked)
    keeper = Keeper(worker, store, asyncio.get_running_loop(), exit=codes.append, clock=lambda: time.monotonic() + 99)
    await asyncio.to_thread(keeper.tick)
    assert codes == []
    go.set()
    await stepping
    assert await deliveries(store) == [("succeeded", "")]


async def test_a_suspect_is_filtered_like_everybody(store):
    async def alone(claim, timeout):
        raise AssertionError("not wanted")

    await suspect(store, {"a": 1}, route="r")
    only = {"r": filters.compile({"body": {"a": 2}})}
    await worker_of(store, handler(never), filters=only, alone=alone).step()
    assert await deliveries(store) == [("ignored", "when: body.a = 2")]


async def test_what_runs_no_code_of_a_user_is_tried_alone_only_after_its_second_crash(store):
    async def alone(claim, timeout):
        raise AssertionError("not after one crash")

    calls: list[str] = []

    async def handle(event: Event) -> None:
        calls.append(event.id)

    await suspect(store)
    target = handler(handle)
    target.suspect_after = 2
    await worker_of(store, target, alone=alone).step()
    assert len(calls) == 1
    assert await deliveries(store) == [("succeeded", "")]


async def test_a_process_of_its_own_that_cannot_start_is_an_error_like_any_other(store):
    await suspect(store)
    await worker_of(store, handler(never), alone=Alone(["/nowhere/hookline"])).step()
    assert await deliveries(store) == [("pending", "internal error: FileNotFoundError")]


async def test_what_must_not_happen_twice_waits_for_a_person_after_a_crash(store):
    calls: list[int] = []

    async def handle(event: Event) -> None:
        calls.append(event.body)

    await put(store, 1, 2)
    once = handler(handle, policy=Policy(on_unknown="hold"))
    died, _ = await store.claim("dead", {"app.handle": Want(slots=2)}, 60)
    await store.bury("dead", [(died.delivery, died.lease)])
    worker = worker_of(store, once)
    assert await worker.step() == 2
    assert await deliveries(store) == [("needs_review", "may have been done: worker died"), ("succeeded", "")]
    assert calls == [2]
    await store.write(requeue, await store.read(ended), Trigger.REPLAY)  # a person looked, and wants it
    assert await worker.step() == 1
    assert calls == [2, 1]


async def test_what_may_have_been_done_runs_again_once_a_person_wants_it(store):
    calls: list[int] = []

    async def handle(event: Event) -> None:
        calls.append(event.body)
        if len(calls) == 1:
            await asyncio.Event().wait()

    await put(store, 1)
    worker = worker_of(store, handler(handle, timeout=0.05, policy=Policy(on_unknown="hold")))
    await worker.step()
    assert await deliveries(store) == [("needs_review", "may have been done: not done within 0.05 s")]
    await store.write(requeue, await store.read(ended), Trigger.REPLAY)
    await worker.step()
    assert await deliveries(store) == [("succeeded", "")]
    assert calls == [1, 1]


def ended(tx) -> list[Ended]:
    held = "select id, event, destination, state, ordering_key from deliveries where state = 'needs_review'"
    return [Ended(*row) for row in tx.sql(held)]


# -- leases -------------------------------------------------------------------------------------------------------


async def hold(store, worker, started: asyncio.Event) -> asyncio.Task[int]:
    stepping = asyncio.create_task(worker.step())
    await started.wait()
    return stepping


async def test_a_lease_is_renewed_while_its_handler_runs(store, clock):
    started, go = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        started.set()
        await go.wait()

    await put(store, 1)
    worker = worker_of(store, handler(handle))
    stepping = await hold(store, worker, started)
    keeper = Keeper(worker, store, asyncio.get_running_loop())
    for _ in range(5):
        clock.advance(45)
        await asyncio.to_thread(keeper.renew, time.monotonic())
    assert await store.claim("w2", {"app.handle": Want(slots=1)}, 60) == []
    go.set()
    await stepping
    assert await deliveries(store) == [("succeeded", "")]


async def test_a_plain_function_that_lost_its_lease_does_not_end_the_one_that_follows_it_here(store, clock, tmp_path):
    began, go = queue.SimpleQueue(), [threading.Event(), threading.Event()]

    def handle(event: Event) -> None:
        number = began.qsize()
        began.put(number)
        go[number].wait(30)

    async def nth(number: int) -> None:
        while began.qsize() < number:
            await asyncio.sleep(0)

    await put(store, 1)
    board = Board(fresh_path(tmp_path, "store.db"), "w1", "boot")
    worker = worker_of(store, handler(handle, is_async=False), board=board)
    first = asyncio.create_task(worker.step())
    await nth(1)
    clock.advance(61)
    second = asyncio.create_task(worker.step())
    await nth(2)
    go[0].set()
    await first
    [(delivery, lease)] = await rows(store, "select id, lease from deliveries")
    assert [(held.claim.delivery, held.claim.lease) for held in worker.held.values()] == [(delivery, lease)]
    assert list(board._slots) == [(delivery, lease)]
    go[1].set()
    await second
    assert await deliveries(store) == [("succeeded", "")]
    assert (worker.held, board._slots) == ({}, {})
    worker.leave()


async def test_renewal_comes_in_its_turn_and_ends_at_twice_the_timeout(store, clock):
    started = asyncio.Event()

    async def handle(event: Event) -> None:
        started.set()
        await asyncio.Event().wait()

    await put(store, 1)
    worker = worker_of(store, handler(handle, timeout=30))
    stepping = await hold(store, worker, started)
    moment = [time.monotonic()]
    keeper = Keeper(worker, store, asyncio.get_running_loop(), exit=lambda code: None, clock=lambda: moment[0])
    until = "select lease_until from deliveries"
    [(first,)] = await rows(store, until)
    clock.advance(10)
    moment[0] += 10
    await asyncio.to_thread(keeper.tick)
    assert await rows(store, until) == [(first,)]
    clock.advance(6)
    moment[0] += 6
    await asyncio.to_thread(keeper.tick)
    assert await rows(store, until) == [(first + 16,)]
    clock.advance(60)
    moment[0] += 60
    await asyncio.to_thread(keeper.renew, moment[0])
    assert await rows(store, until) == [(first + 16,)]
    stepping.cancel()
    await asyncio.gather(stepping, return_exceptions=True)


async def test_who_lost_his_lease_is_interrupted_and_settles_nothing(store, clock):
    started, interrupted = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            interrupted.set()

    async def second(event: Event) -> None:
        return None

    await put(store, 1)
    worker = worker_of(store, handler(handle))
    stepping = await hold(store, worker, started)
    clock.advance(61)
    assert await worker_of(store, handler(second), name="w2").step() == 1
    keeper = Keeper(worker, store, asyncio.get_running_loop())
    await asyncio.to_thread(keeper.renew, time.monotonic())
    await interrupted.wait()
    await asyncio.gather(stepping, return_exceptions=True)
    await worker.settler.settle()
    assert await deliveries(store) == [("succeeded", "")]
    assert [(state, reason) for state, reason, _ in await tries(store)] == [
        ("pending", "lease ran out"),
        ("succeeded", ""),
    ]
    assert worker.held == {}


# -- hanging ------------------------------------------------------------------------------------------------------


async def test_a_plain_function_past_its_timeout_lets_nothing_new_start(store):
    entered, go = threading.Event(), threading.Event()

    def handle(event: Event) -> None:
        if event.body == 1:
            entered.set()
            go.wait(30)

    await put(store, 1)
    worker = worker_of(store, handler(handle, is_async=False, timeout=0.001))
    stepping = asyncio.create_task(worker.step())
    await asyncio.to_thread(entered.wait, 30)
    await put(store, 2)
    assert worker.wants() == {}
    go.set()
    await stepping
    assert await deliveries(store) == [("succeeded", ""), ("pending", None)]  # late, but done is done
    assert await worker.step() == 1


async def test_a_process_with_a_function_that_never_returns_is_replaced(store):
    """The hanging one has timed out; the other goes back as if it had never been tried."""
    entered, go, codes = threading.Barrier(3), threading.Event(), []

    def handle(event: Event) -> None:
        entered.wait(30)
        go.wait(30)

    await put(store, "hangs", to="app.hangs")
    await put(store, "runs", to="app.runs")
    hangs = handler(handle, name="app.hangs", is_async=False, timeout=10.0)
    runs = handler(handle, name="app.runs", is_async=False, timeout=1_000.0)
    worker = worker_of(store, hangs, runs, settings=WorkerSettings(drain=0.01))
    stepping = asyncio.create_task(worker.step())
    await asyncio.to_thread(entered.wait, 30)
    moment = [time.monotonic()]
    loop = asyncio.get_running_loop()
    keeper = Keeper(worker, store, loop, exit=codes.append, clock=lambda: moment[0])
    moment[0] += 19
    await asyncio.to_thread(keeper.tick)
    assert not worker._stopping.is_set()
    moment[0] += 2
    await asyncio.to_thread(keeper.tick)
    await asyncio.sleep(0)
    assert worker._stopping.is_set()  # the others get a moment
    assert codes == []
    moment[0] += 11
    await asyncio.to_thread(keeper.tick)
    assert codes == [REPLACE_ME]
    assert await rows(store, "select destination, reason, attempts from deliveries order by 1") == [
        ("app.hangs", "not done within 10 s", 1),
        ("app.runs", "its process had to be replaced", 0),
    ]
    go.set()
    await stepping


async def test_a_coroutine_that_swallows_its_cancellation_is_past_help_too(store):
    started, stop, codes = asyncio.Event(), asyncio.Event(), []

    async def handle(event: Event) -> None:
        started.set()
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    await put(store, 1)
    worker = worker_of(store, handler(handle, timeout=0.001))
    stepping = await hold(store, worker, started)
    keeper = Keeper(worker, store, asyncio.get_running_loop(), exit=codes.append, clock=lambda: time.monotonic() + 1)
    await asyncio.to_thread(keeper.tick)
    assert codes == [REPLACE_ME]
    assert await deliveries(store) == [("pending", "not done within 0.001 s")]
    stop.set()
    await stepping
