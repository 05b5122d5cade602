"""Repeating deliveries, calling them off, holding destinations back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from contract.say import accept_one, arrival, claim, counts, event, settled
from hookline import ids
from hookline.model import NewDelivery, State, Trigger
from hookline.routing import Reader
from hookline.search import SearchError
from hookline.store.base import Route
from hookline.store.clock import FakeClock
from hookline.store.compress import Codec
from hookline.store.records import ReplayOptions, ReplayRow
from hookline.store.sqlite import pick
from hookline.store.sqlite.replay import advance_replay
from hookline.store.sqlite.store import SqliteStore

ONCE = ReplayOptions()
AGAIN = ReplayOptions(again=True)


async def replay(
    store: SqliteStore, query: str = "", options: ReplayOptions = ONCE, route: Route | None = None
) -> ReplayRow:
    job: ReplayRow | None = await store.create_replay(query, options, who="ann", route=route)
    while job is not None and job.state == "running":
        job = await store.advance_replay(job.id, route)
    assert job is not None
    return job


async def ended(store: SqliteStore, key: str, state: State, **more: object) -> int:
    """An event whose deliveries ended so."""
    [number] = (await accept_one(store, key, **more)).events
    await store.settle([settled(held, state) for held in await claim(store, "app.paid", "app.other")])
    return int(number)


async def states(store: SqliteStore, number: int) -> dict[str, str]:
    story = await store.event(number)
    assert story is not None
    return {line.delivery.destination: line.delivery.state for line in story.deliveries}


@pytest.mark.parametrize("state", [State.FAILED, State.NEEDS_REVIEW])
async def test_what_did_not_succeed_runs_again_under_the_same_key(store: SqliteStore, state: State) -> None:
    await accept_one(store, "d1")
    [first] = await claim(store)
    await store.settle([settled(first, state)])
    job = await replay(store, f"status:{state.value}")
    assert (job.total, job.done, job.state, job.who) == (1, 1, "done", "ann")
    [second] = await claim(store)
    assert second.trigger is Trigger.REPLAY
    assert second.event.idempotency_key == first.event.idempotency_key
    assert await counts(store, first.event_number) == {"pending": 1}


async def test_what_succeeded_is_left_alone_unless_asked_and_then_has_a_new_key(store: SqliteStore) -> None:
    await accept_one(store, "d1")
    [first] = await claim(store)
    await store.settle([settled(first)])
    plan = await store.plan_replay("", ONCE)
    assert (plan.events, plan.deliveries, plan.left_out) == (0, 0, {"succeeded": 1})
    await replay(store)
    assert await claim(store) == []
    await replay(store, options=AGAIN)
    [again] = await claim(store)
    assert again.event.idempotency_key != first.event.idempotency_key


async def test_the_plan_counts_by_destination_and_environment_and_changes_nothing(store: SqliteStore) -> None:
    await ended(store, "a", State.FAILED, to=("app.paid", "app.other"))
    await ended(store, "b", State.FAILED)
    await ended(store, "c", State.SUCCEEDED)
    plan = await store.plan_replay("source:github", ONCE)
    assert (plan.events, plan.deliveries) == (2, 3)
    assert plan.destinations == {"app.paid": 2, "app.other": 1}
    assert plan.environments == {"production": 3}
    assert plan.left_out == {"succeeded": 1}
    assert await claim(store, "app.paid", "app.other") == []


async def test_a_replay_touches_only_the_deliveries_that_its_query_means(store: SqliteStore) -> None:
    number = await ended(store, "a", State.FAILED, to=("app.paid", "app.other"))
    await replay(store, "destination:app.other state:failed")
    assert await states(store, number) == {"app.paid": "failed", "app.other": "pending"}


async def test_events_and_deliveries_can_be_named(store: SqliteStore) -> None:
    first = await ended(store, "a", State.FAILED, to=("app.paid", "app.other"))
    second = await ended(store, "b", State.FAILED)
    untouched = await ended(store, "c", State.FAILED)
    story = await store.event(first)
    assert story is not None
    delivery = next(line.delivery.id for line in story.deliveries if line.delivery.destination == "app.paid")
    await replay(store, options=ReplayOptions(only=(ids.show("dlv", delivery), ids.show("evt", second))))
    assert await states(store, first) == {"app.paid": "pending", "app.other": "failed"}
    assert await states(store, second) == {"app.paid": "pending"}
    assert await states(store, untouched) == {"app.paid": "failed"}
    with pytest.raises(SearchError, match="neither an event"):
        await store.plan_replay("", ReplayOptions(only=("pi_1",)))


async def test_a_waiting_retry_is_brought_forward(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "d1")
    [held] = await claim(store)
    await store.settle([settled(held, State.PENDING, due_at=store.now() + 3_600)])
    assert await claim(store) == []
    plan = await store.plan_replay("is:retrying", ONCE)
    assert plan.deliveries == 1
    await replay(store, "is:retrying")
    [again] = await claim(store)
    assert (again.attempt, again.trigger) == (2, Trigger.REPLAY)


async def test_what_runs_or_is_due_is_left_out_and_says_so(store: SqliteStore) -> None:
    await accept_one(store, "a")
    await claim(store)
    await accept_one(store, "b")
    plan = await store.plan_replay("", ONCE)
    assert plan.left_out == {"running now": 1, "due already": 1}


async def test_to_adds_a_delivery_and_leaves_the_others_alone(store: SqliteStore) -> None:
    number = await ended(store, "a", State.FAILED)
    there = await ended(store, "b", State.SUCCEEDED, to=("app.other",))
    job = await replay(store, options=ReplayOptions(to="app.other"))
    assert job.done == 1
    assert await states(store, number) == {"app.paid": "failed", "app.other": "pending"}
    assert await states(store, there) == {"app.other": "succeeded"}
    assert await counts(store, number) == {"failed": 1, "pending": 1}
    [added] = await claim(store, "app.other")
    assert added.trigger is Trigger.REPLAY


def routes(source: str, environment: str, type: str, reader: Reader) -> tuple[Sequence[NewDelivery], str]:
    """What a router says today."""
    return (NewDelivery("app.paid", "today", str(reader("body.customer"))),), ""


async def test_reroute_is_the_cure_for_no_route(store: SqliteStore) -> None:
    for key in ("a", "b"):
        body = b'{"customer": "cus_1", "n": "%b"}' % key.encode()
        await store.accept([arrival(event(key, body, to=(), reason="no route"), body=body)])
    plan = await store.plan_replay('reason:"no route"', ReplayOptions(reroute=True), routes)
    assert (plan.events, plan.deliveries) == (2, 2)
    await replay(store, 'reason:"no route"', ReplayOptions(reroute=True), routes)
    [first] = await claim(store)
    assert (first.event.provider_id, first.route, first.ordering_key) == ("a", "today", "cus_1")
    await store.settle([settled(first)])
    row = (await store.list_events()).data[1]
    assert (row.status, row.reason) == ("processed", None)
    [second] = await claim(store)
    assert second.event.provider_id == "b"
    assert (await store.plan_replay("", ReplayOptions(reroute=True), routes)).deliveries == 0


async def test_reroute_revives_what_a_filter_had_ignored(store: SqliteStore) -> None:
    number = await ended(store, "a", State.IGNORED)
    assert (await store.plan_replay("", ONCE)).left_out == {"ignored": 1}
    await replay(store, options=ReplayOptions(reroute=True), route=routes)
    assert await states(store, number) == {"app.paid": "pending"}


async def test_a_replayed_delivery_knows_that_its_key_has_moved_on(store: SqliteStore) -> None:
    for key in ("a", "b"):
        await accept_one(store, key, ordering_key="cus_1")
    for state in (State.FAILED, State.SUCCEEDED):
        [held] = await claim(store)
        await store.settle([settled(held, state)])
    await replay(store, "state:failed")
    [late] = await claim(store)
    assert late.event.superseded
    assert late.event.provider_id == "a"


async def test_a_bulk_replay_looks_at_everything_in_bites_and_at_nothing_newer(store: SqliteStore) -> None:
    for batch in range(3):
        await store.accept([arrival(event(f"{batch}.{number}")) for number in range(100)])
    for _ in range(3):
        await store.settle([settled(held, State.FAILED) for held in await claim(store)])
    job = await store.create_replay("status:failed", ONCE, who="ann")
    await ended(store, "late", State.FAILED)
    assert job.total == 300
    halfway = await store.advance_replay(job.id)
    assert halfway is not None
    assert (halfway.state, halfway.done) == ("running", 256)
    done = await store.advance_replay(job.id)
    assert done is not None
    assert (done.state, done.done) == ("done", 300)
    assert [row.provider_id for row in (await store.list_events(limit=1)).data] == ["late"]
    assert (await store.list_events(limit=1)).data[0].status == "failed"


async def test_two_processes_at_one_job_carry_each_bite_out_once(store: SqliteStore) -> None:
    await ended(store, "a", State.SUCCEEDED)
    job = await store.create_replay("", AGAIN, who="ann")
    first, second = await asyncio.gather(store.advance_replay(job.id), store.advance_replay(job.id))
    assert first == second
    [held] = await claim(store)
    assert held.event.idempotency_key.endswith(":2")


async def test_what_changes_between_the_look_and_the_write_is_left_alone(store: SqliteStore) -> None:
    number = await ended(store, "a", State.FAILED)
    job = await store.create_replay("", ONCE, who="ann")
    choice = pick.choose("", (), store.now())
    bite = await store.read(pick.pick_deliveries, choice, 0, Codec(), lambda: False)
    await accept_one(store, "a")  # the provider's button: runs it again
    [held] = await claim(store)
    assert await store.write(advance_replay, job, bite)
    assert await store.settle([settled(held)]) == [True]
    assert await states(store, number) == {"app.paid": "succeeded"}
    assert await counts(store, number) == {"succeeded": 1}


async def test_a_rate_is_kept(store: SqliteStore, clock: FakeClock) -> None:
    for number in range(5):
        await ended(store, str(number), State.FAILED)
    job = await store.create_replay("", ReplayOptions(rate=0.1), who="ann")

    async def done() -> int:
        row = await store.advance_replay(job.id)
        assert row is not None
        return row.done

    assert [await done(), await done()] == [1, 1]
    clock.advance(20)
    assert [await done(), await done()] == [3, 3]


async def test_a_stopped_replay_goes_no_further(store: SqliteStore) -> None:
    await ended(store, "a", State.FAILED)
    job = await store.create_replay("", ONCE, who="ann")
    assert await store.stop_replay(job.id, who="bob")
    assert not await store.stop_replay(job.id, who="bob")
    stopped = await store.advance_replay(job.id)
    assert stopped is not None
    assert (stopped.state, stopped.done) == ("stopped", 0)
    assert await claim(store) == []
    assert [row.id for row in (await store.list_replays()).data] == [job.id]
    assert await store.running_replays() == []


async def test_a_search_by_payload_picks_what_to_replay(store: SqliteStore) -> None:
    numbers = {}
    for amount in (5, 50):
        body = b'{"amount": %d}' % amount
        [numbers[amount]] = (await accept_one(store, str(amount), body)).events
    await store.settle([settled(held, State.FAILED) for held in await claim(store)])
    await replay(store, "body.amount:>10")
    assert await states(store, numbers[5]) == {"app.paid": "failed"}
    assert await states(store, numbers[50]) == {"app.paid": "pending"}


async def test_cancelled_deliveries_are_not_tried_and_can_be_replayed(store: SqliteStore) -> None:
    number = (await accept_one(store, "a")).events[0]
    assert await store.cancel("source:github", who="ann", dry_run=True) == 1
    assert await store.cancel("source:github", who="ann") == 1
    assert await store.cancel("source:github", who="ann") == 0
    assert await claim(store) == []
    [row] = (await store.list_events()).data
    assert (row.status, await counts(store, number)) == ("ignored", {"cancelled": 1})
    [line] = (await store.list_deliveries()).data
    assert line.reason == "cancelled by ann"
    await replay(store)
    assert len(await claim(store)) == 1


async def test_cancelling_what_runs_fences_its_worker_off(store: SqliteStore) -> None:
    number = (await accept_one(store, "a")).events[0]
    [held] = await claim(store)
    await store.cancel("", [ids.show("evt", number)], who="ann")
    assert await store.settle([settled(held)]) == [False]
    assert await counts(store, number) == {"cancelled": 1}


async def test_cancelling_the_head_of_a_line_lets_the_next_one_go(store: SqliteStore) -> None:
    for key in ("a", "b"):
        await accept_one(store, key, ordering_key="cus_1")
    assert await store.cancel("id:a", who="ann") == 1
    [held] = await claim(store)
    assert held.event.provider_id == "b"


async def test_a_held_event_can_be_released_or_called_off(store: SqliteStore) -> None:
    released, dismissed = [(await accept_one(store, key, hold="replayed body")).events[0] for key in ("a", "b")]
    assert {(row.status, row.reason) for row in (await store.list_events()).data} == {("needs_review", "replayed body")}
    await replay(store, options=ReplayOptions(only=(ids.show("evt", released),)))
    await store.cancel("", [ids.show("evt", dismissed)], who="ann")
    assert await states(store, released) == {"app.paid": "pending"}
    assert await states(store, dismissed) == {"app.paid": "cancelled"}
    rows = (await store.list_events()).data
    assert [(row.status, row.reason) for row in rows] == [("ignored", "cancelled by ann"), ("pending", None)]


async def test_what_was_erased_is_not_repeated(store: SqliteStore) -> None:
    number = await ended(store, "a", State.FAILED)
    await store.erase([number], who="ann")
    for options in (ONCE, ReplayOptions(to="app.other"), ReplayOptions(reroute=True)):
        plan = await store.plan_replay("", options, routes)
        assert (plan.deliveries, set(plan.left_out)) == (0, {"erased"})
    await replay(store)
    assert await states(store, number) == {"app.paid": "failed"}


async def test_erasing_calls_off_what_is_open(store: SqliteStore) -> None:
    number = (await accept_one(store, "a", ordering_key="cus_1")).events[0]
    await accept_one(store, "b", ordering_key="cus_1")
    await store.erase([number], who="ann")
    [held] = await claim(store)
    assert held.event.provider_id == "b"
    story = await store.event(number)
    assert story is not None
    assert [(line.delivery.state, line.delivery.reason) for line in story.deliveries] == [("cancelled", "erased")]
    assert await counts(store, number) == {"cancelled": 1}


async def test_a_paused_destination_keeps_its_queue_and_uses_up_no_attempt(store: SqliteStore) -> None:
    await accept_one(store, "a")
    await store.pause("app.paid", "CI moves", who="ann")
    assert await claim(store) == []
    [line] = (await store.list_deliveries()).data
    assert (line.state, line.phase, line.attempts) == ("pending", "paused", 0)
    await store.resume("app.paid", who="ann")
    [held] = await claim(store)
    assert held.attempt == 1


async def test_what_people_change_is_in_the_audit_log(store: SqliteStore) -> None:
    await ended(store, "a", State.FAILED)
    await replay(store, "status:failed")
    await store.cancel("", who="bob")
    await store.pause("app.paid", "why", who="ann")
    await store.resume("app.paid", who="ann")
    rows = (await store.list_audit()).data
    assert [(row.who, row.action, row.target) for row in rows] == [
        ("ann", "destination resumed", "app.paid"),
        ("ann", "destination paused", "app.paid"),
        ("bob", "deliveries cancelled", ""),
        ("ann", "replayed", "status:failed"),
    ]


@pytest.mark.parametrize("to", [None, "app.other"])
async def test_what_is_erased_while_a_replay_looks_at_it_is_not_delivered(store: SqliteStore, to: str | None) -> None:
    number = await ended(store, "a", State.FAILED)
    job = await store.create_replay("", ReplayOptions(to=to), who="ann")
    choice = pick.choose("", (), store.now(), below=job.id)
    bite = await store._bite(choice, job.options, None, 0, pick.MOST)
    await store.erase([number], who="bob")
    assert await store.write(advance_replay, job, bite)
    assert await claim(store, "app.paid", "app.other") == []
    assert await counts(store, number) == {"failed": 1}
