"""One after the other, by destination and ordering key."""

from __future__ import annotations

from contract.say import accept_one, arrival, claim, event, settled
from hookline.model import State, Trigger
from hookline.store.clock import FakeClock
from hookline.store.sqlite.requeue import Ended, requeue
from hookline.store.sqlite.store import SqliteStore
from hookline.store.sqlite.tx import Tx


async def accept_keyed(store: SqliteStore, *names: str) -> None:
    """Names like ``a1``: the first letter is the ordering key."""
    await store.accept([arrival(event(name, ordering_key=name[0])) for name in names])


async def claimed(store: SqliteStore) -> list[str]:
    return sorted(str(taken.event.provider_id) for taken in await claim(store))


async def test_only_the_head_of_a_key_can_be_claimed(store: SqliteStore) -> None:
    await accept_keyed(store, "a1", "b1", "a2")
    await accept_keyed(store, "a3", "b2")
    assert await claimed(store) == ["a1", "b1"]
    assert await claimed(store) == []


async def test_the_next_follows_when_the_head_has_ended_however_it_ended(store: SqliteStore) -> None:
    await accept_keyed(store, "a1", "a2", "a3", "a4")
    for name, state in (("a1", State.SUCCEEDED), ("a2", State.FAILED), ("a3", State.NEEDS_REVIEW)):
        [head] = await claim(store)
        assert head.event.provider_id == name
        await store.settle([settled(head, state)])
    assert await claimed(store) == ["a4"]


async def test_a_head_that_waits_for_its_retry_holds_its_key(store: SqliteStore, clock: FakeClock) -> None:
    await accept_keyed(store, "a1", "a2", "b1")
    head, other = await claim(store)
    await store.settle([settled(head, State.PENDING, due_at=clock.now() + 5), settled(other)])
    assert await claimed(store) == []
    clock.advance(5)
    assert await claimed(store) == ["a1"]


async def test_a_key_whose_work_is_done_starts_anew(store: SqliteStore) -> None:
    await accept_keyed(store, "a1")
    [head] = await claim(store)
    await store.settle([settled(head)])
    assert await store.read(lambda tx: tx.sql("select count(*) from heads")) == [(0,)]
    await accept_keyed(store, "a2", "a3")
    assert await claimed(store) == ["a2"]


async def test_the_same_key_of_another_destination_is_another_line(store: SqliteStore) -> None:
    await accept_one(store, "a1", ordering_key="a", to=("one",))
    await accept_one(store, "a2", ordering_key="a", to=("two",))
    assert len(await claim(store, "one", "two")) == 2


async def test_heads_settled_in_one_batch_each_let_their_line_go_on(store: SqliteStore) -> None:
    await accept_keyed(store, *(f"{key}{n}" for n in (1, 2) for key in "abcdef"))
    await store.settle([settled(head) for head in await claim(store)])
    assert await claimed(store) == [f"{key}2" for key in "abcdef"]


async def test_a_held_event_joins_no_line(store: SqliteStore) -> None:
    await accept_one(store, "a1", ordering_key="a", hold="wrong environment")
    await accept_keyed(store, "a2")
    assert await claimed(store) == ["a2"]


async def test_one_that_runs_again_waits_in_line_and_knows_that_it_is_superseded(store: SqliteStore) -> None:
    await accept_keyed(store, "a1", "a2", "a3")
    [first] = await claim(store)
    await store.settle([settled(first, State.FAILED)])
    [second] = await claim(store)
    await store.settle([settled(second)])

    def again(tx: Tx) -> None:
        ended = Ended(first.delivery, first.event_number, first.destination, "failed", first.ordering_key)
        requeue(tx, [ended], Trigger.REPLAY)

    await store.write(again)
    [third] = await claim(store)
    assert (third.event.provider_id, third.event.superseded) == ("a3", False)
    await store.settle([settled(third)])
    [late] = await claim(store)
    assert (late.event.provider_id, late.event.superseded, late.trigger) == ("a1", True, Trigger.REPLAY)
