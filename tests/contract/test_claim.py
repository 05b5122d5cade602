"""Who may run what, and when."""

from __future__ import annotations

from typing import Any

from contract.say import accept_one, arrival, claim, counts, event, settled
from hookline.model import Claim, NewDelivery, Outcome, State
from hookline.store import open_store
from hookline.store.base import Want
from hookline.store.clock import FakeClock
from hookline.store.records import ReplayOptions
from hookline.store.sqlite.store import SqliteStore


async def accept_many(store: SqliteStore, count: int, to: str = "app.paid") -> None:
    await store.accept([arrival(event(f"{to}{number}", to=(to,))) for number in range(count)])


async def attempts(store: SqliteStore) -> list[tuple[Any, ...]]:
    """(attempt, counted, state, reason) of every attempt, in order."""
    text = "select attempt, counted, state, reason from attempts order by delivery, try"
    return await store.read(lambda tx: tx.sql(text))


async def pause(store: SqliteStore, name: str, state: str) -> None:
    text = (
        "insert into destinations (name, state, changed_at) values (?1, ?2, 0)"
        " on conflict (name) do update set state = ?2"
    )
    await store.write(lambda tx: tx.sql(text, (name, state)))


def keys(claims: list[Claim]) -> list[str | None]:
    return [taken.event.provider_id for taken in claims]


async def test_a_claimed_delivery_is_nobody_elses(store: SqliteStore) -> None:
    await accept_one(store, "a")
    assert len(await claim(store)) == 1
    assert await claim(store, worker="w2") == []


async def test_a_worker_takes_no_more_than_its_slots_of_each_destination(store: SqliteStore) -> None:
    await accept_many(store, 5, "one")
    await accept_many(store, 5, "two")
    taken = await store.claim("w", {"one": Want(slots=2), "two": Want(slots=3)}, 60)
    assert sorted(entry.destination for entry in taken) == ["one", "one", "two", "two", "two"]


async def test_the_longest_due_comes_first(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "first")
    [waiting] = await claim(store)
    await store.settle([settled(waiting, State.PENDING, due_at=clock.now() + 10)])
    clock.advance(5)
    await accept_one(store, "second")
    clock.advance(20)
    assert keys(await claim(store)) == ["second", "first"]


async def test_a_destination_that_nobody_wants_keeps_its_deliveries(store: SqliteStore) -> None:
    await accept_one(store, "a")
    assert await claim(store, "other") == []
    assert len(await claim(store)) == 1


async def test_a_paused_destination_keeps_its_queue(store: SqliteStore) -> None:
    await accept_many(store, 3)
    await pause(store, "app.paid", "paused")
    assert await claim(store) == []
    await pause(store, "app.paid", "open")
    assert [(taken.attempt, taken.lease) for taken in await claim(store)] == [(1, 1)] * 3


async def test_concurrency_holds_for_all_workers_together(store: SqliteStore, clock: FakeClock) -> None:
    await accept_many(store, 5)
    want = Want(slots=100, concurrency=3)
    first = await claim(store, want=want)
    assert len(first) == 3
    assert await claim(store, want=want, worker="w2") == []
    await store.settle([settled(first[0])])
    assert len(await claim(store, want=want, worker="w2")) == 1


async def test_the_places_of_a_dead_worker_are_free_when_its_leases_have_run_out(
    store: SqliteStore, clock: FakeClock
) -> None:
    await accept_many(store, 5)
    want = Want(slots=100, concurrency=3)
    await claim(store, want=want)
    clock.advance(61)
    assert len(await claim(store, want=want, worker="w2")) == 3


async def test_a_rate_holds_for_all_workers_together(store: SqliteStore, clock: FakeClock) -> None:
    await accept_many(store, 20)
    want = Want(slots=100, rate=2.0, burst=4.0)
    assert len(await claim(store, want=want)) == 4
    assert await claim(store, want=want, worker="w2") == []
    clock.advance(1.5)
    assert len(await claim(store, want=want, worker="w2")) == 3


async def test_a_destination_that_keeps_failing_is_left_alone_and_then_probed_once(
    store: SqliteStore, clock: FakeClock
) -> None:
    await accept_many(store, 20)
    want = Want(slots=10)
    bad = Outcome(state=None, code=500)
    failing = await claim(store, want=want)
    again = [settled(taken, State.PENDING, outcome=bad, due_at=clock.now()) for taken in failing]
    assert await store.settle(again) == [True] * 10
    assert await claim(store, want=want) == []
    clock.advance(31)
    [probe] = await claim(store, want=want)
    assert await claim(store, want=want, worker="w2") == []
    await store.settle([settled(probe)])
    assert len(await claim(store, want=want)) == 2
    assert (probe.attempt, (await attempts(store))[0][1]) in {(1, 1), (2, 1)}


async def test_a_lease_that_ran_out_writes_its_own_attempt_and_uses_up_none(
    store: SqliteStore, clock: FakeClock
) -> None:
    await accept_one(store, "a")
    await claim(store, seconds=60)
    clock.advance(60)
    [again] = await claim(store, worker="w2")
    assert (again.attempt, again.lease, again.crashes) == (1, 3, 0)
    assert await attempts(store) == [(1, 0, "pending", "lease ran out")]


async def test_a_dead_workers_deliveries_are_due_at_once_and_only_running_ones_count_a_crash(
    store: SqliteStore,
) -> None:
    await accept_many(store, 3)
    held = await claim(store, worker="dead")
    assert await store.bury("dead", [(held[1].delivery, held[1].lease)]) == 3
    assert [taken.crashes for taken in await claim(store, worker="w2")] == [0, 1, 0]
    assert await store.settle([settled(taken) for taken in held]) == [False] * 3
    assert [reason for *_, reason in await attempts(store)] == ["worker died"] * 3


async def test_a_renewed_lease_does_not_run_out(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    [mine] = await claim(store, seconds=60)
    clock.advance(50)
    assert await store.renew([(mine.delivery, mine.lease)], 60) == [True]
    clock.advance(50)
    assert await claim(store, worker="w2") == []
    assert await store.settle([settled(mine)]) == [True]


async def test_a_lease_is_renewed_from_a_thread_too(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    [mine] = await claim(store, seconds=60)
    clock.advance(50)
    assert store.renew_now([(mine.delivery, mine.lease), (mine.delivery, 99), (1, 1)], 60) == [True, False, False]
    clock.advance(50)
    assert await claim(store, worker="w2") == []


async def test_a_lost_or_settled_lease_cannot_be_renewed(store: SqliteStore, clock: FakeClock) -> None:
    await accept_many(store, 2)
    lost, done = await claim(store, seconds=60)
    await store.settle([settled(done)])
    clock.advance(61)
    await claim(store, worker="w2")
    assert await store.renew([(lost.delivery, lost.lease), (done.delivery, done.lease)], 60) == [False, False]


async def test_the_next_due_moment_is_known(store: SqliteStore, clock: FakeClock) -> None:
    assert await store.next_due(["app.paid"]) is None
    await accept_one(store, "a")
    [taken] = await claim(store, seconds=60)
    assert await store.next_due(["app.paid"]) == clock.now() + 60
    await store.settle([settled(taken, State.PENDING, due_at=clock.now() + 5)])
    assert await store.next_due(["other", "app.paid"]) == clock.now() + 5


async def test_two_claims_in_one_moment_share_nothing(store: SqliteStore) -> None:
    await accept_many(store, 150)
    first = await claim(store)
    second = await claim(store)
    assert (len(first), len(second)) == (100, 50)
    assert not {taken.delivery for taken in first} & {taken.delivery for taken in second}


async def test_every_delivery_of_an_event_is_claimed_with_it(store: SqliteStore) -> None:
    await accept_one(store, "a", deliveries=tuple(NewDelivery("app.paid", f"route{n}") for n in range(3)))
    taken = await claim(store)
    assert sorted(entry.route for entry in taken) == ["route0", "route1", "route2"]


async def test_claims_survive_a_new_dictionary(store: SqliteStore, url: str, clock: FakeClock) -> None:
    bodies = [b'{"action": "opened", "number": %d, "repository": "hookline/hookline"}' % n * 3 for n in range(200)]
    await store.accept([arrival(event(f"old{n}", body), body=body) for n, body in enumerate(bodies)])
    assert await store.train_dictionaries() == ["github"]
    await store.accept([arrival(event(f"new{n}", body), body=body) for n, body in enumerate(bodies)])
    await store.accept([arrival(event(f"newer{n}", body), body=body) for n, body in enumerate(bodies)])
    used = await store.read(lambda tx: tx.sql("select dictionary, sum(length(content)) from requests group by 1"))
    assert [number for number, _ in used] == [0, 1]
    assert used[1][1] < used[0][1]
    reader = await open_store(url, role="test", clock=clock)
    try:
        taken = await claim(reader, want=Want(slots=600))
        assert {entry.event.raw for entry in taken} == set(bodies)
        assert len(taken) == 600
    finally:
        await reader.close()


async def test_settling_twice_changes_nothing_the_second_time(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a")
    [taken] = await claim(store)
    assert await store.settle([settled(taken), settled(taken, State.FAILED)]) == [True, False]
    assert await store.settle([settled(taken)]) == [False]
    assert await counts(store, receipt.events[0]) == {"succeeded": 1}


async def test_a_stale_settlement_beside_its_owners_changes_nothing(store: SqliteStore, clock: FakeClock) -> None:
    receipt = await accept_one(store, "a")
    [stale] = await claim(store, seconds=60)
    clock.advance(61)
    [owner] = await claim(store, worker="w2")
    assert await store.settle([settled(stale, State.FAILED), settled(owner)]) == [False, True]
    assert await counts(store, receipt.events[0]) == {"succeeded": 1}


async def test_an_event_that_cannot_be_read_waits_for_a_person_and_keeps_nobody_up(store: SqliteStore) -> None:
    bad = await accept_one(store, "bad", b"bad", ordering_key="k")
    good = await accept_one(store, "good", b"good")
    after = await accept_one(store, "after", b"after", ordering_key="k")
    spoil = "update requests set content = x'00' where id = (select request from events where id = ?)"
    await store.write(lambda tx: tx.sql(spoil, bad.events))
    assert [taken.event_number for taken in await claim(store)] == [*good.events]
    assert await counts(store, bad.events[0]) == {"needs_review": 1}
    [(reason,)] = await store.read(lambda tx: tx.sql("select reason from attempts"))
    assert reason.startswith("cannot be read: ")
    assert [taken.event_number for taken in await claim(store)] == [*after.events]
    assert await store.check() == []


async def test_an_attempt_that_was_cancelled_while_it_ran_is_told_of(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    [taken] = await claim(store)
    clock.advance(2)
    assert await store.cancel("status:pending", who="ann") == 1
    assert await store.settle([settled(taken)]) == [False]
    row = "select try, counted, state, reason, unknown, worker, started_at, finished_at from attempts"
    told = (1, 0, "cancelled", "cancelled by ann", 1, "w1", clock.now() - 2, clock.now())
    assert await store.read(lambda tx: tx.sql(row)) == [told]
    job = await store.create_replay("", ReplayOptions(), who="ann")
    await store.advance_replay(job.id)
    [again] = await claim(store)
    assert await store.settle([settled(again)]) == [True]
    assert await store.read(lambda tx: tx.sql("select try, state from attempts")) == [
        (1, "cancelled"),
        (2, "succeeded"),
    ]
    assert await store.check() == []
