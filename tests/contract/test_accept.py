"""What is new, what is a duplicate, and what is held for a person."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import Counter

import apsw
import msgspec
import pytest

from contract.say import accept_one, arrival, claim, counts, event, settled
from hookline.errors import Unavailable
from hookline.model import NewDelivery, Origin, Receipt, RequestOutcome, State, Trigger
from hookline.store import open_store
from hookline.store.clock import FakeClock
from hookline.store.compress import train
from hookline.store.sqlite import keyruns
from hookline.store.sqlite.store import SqliteStore
from hookline.store.sqlite.tx import Tx, as_dicts


async def held(store: SqliteStore, number: int) -> tuple[str | None, str, str | None]:
    """An event's hold, status and dedupe key (None where that is the provider's id)."""
    [row] = await store.read(lambda tx: tx.sql("select hold, status, key from events where id = ?", (number,)))
    return row


async def test_the_same_event_twice_is_stored_once_and_counted(store: SqliteStore) -> None:
    first = await accept_one(store, "a")
    second = await accept_one(store, "a")
    assert (second.outcome, second.events, second.woken) == (RequestOutcome.DUPLICATE, first.events, ())
    assert await store.read(lambda tx: tx.sql("select duplicates from events")) == [(1,)]
    assert len(await claim(store)) == 1


async def test_repetitions_within_one_batch_count_too(store: SqliteStore) -> None:
    receipts = await store.accept([arrival(event("a")), arrival(event("a")), arrival(event("a"), event("b"))])
    assert [receipt.outcome for receipt in receipts if isinstance(receipt, Receipt)] == [
        RequestOutcome.ACCEPTED,
        RequestOutcome.DUPLICATE,
        RequestOutcome.ACCEPTED,
    ]
    assert await store.read(lambda tx: tx.sql("select provider_id, duplicates from events order by id")) == [
        ("a", 2),
        ("b", 0),
    ]


async def test_the_same_id_of_another_source_is_another_event(store: SqliteStore) -> None:
    await accept_one(store, "a")
    [receipt] = await store.accept([arrival(event("a"), source="gitlab")])
    assert isinstance(receipt, Receipt)
    assert receipt.outcome is RequestOutcome.ACCEPTED


async def test_the_same_id_with_another_body_is_held_under_its_digest(store: SqliteStore) -> None:
    await accept_one(store, "a", b"one")
    other = await accept_one(store, "a", b"two")
    assert other.outcome is RequestOutcome.ACCEPTED
    assert other.woken == ()
    digest = hashlib.md5(b"two").hexdigest()
    assert await held(store, other.events[0]) == ("same id, other body", "needs_review", f"a#{digest}")
    again = await accept_one(store, "a", b"two")
    assert (again.outcome, again.events) == (RequestOutcome.DUPLICATE, other.events)
    assert await counts(store, other.events[0]) == {"needs_review": 1}


async def test_a_known_body_under_a_new_id_is_held_where_the_id_is_not_signed(store: SqliteStore) -> None:
    first = await accept_one(store, "a", b"body", body_key=True)
    replayed = await accept_one(store, "b", b"body", body_key=True)
    assert await held(store, first.events[0]) == (None, "pending", None)
    assert await held(store, replayed.events[0]) == ("replayed body", "needs_review", None)
    assert len(await claim(store)) == 1


async def test_a_known_body_under_a_new_id_runs_where_the_id_is_signed(store: SqliteStore) -> None:
    await accept_one(store, "a", b"body")
    assert (await accept_one(store, "b", b"body")).woken == ("app.paid",)


async def test_an_event_held_from_the_start_runs_nothing(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", hold="wrong environment")
    assert await counts(store, receipt.events[0]) == {"needs_review": 1}
    assert await claim(store) == []
    nobody = await accept_one(store, "b", to=(), hold="app not loaded")
    assert await held(store, nobody.events[0]) == ("app not loaded", "needs_review", None)


async def test_an_event_that_nobody_wants_is_ignored_with_the_reason(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", to=(), reason="no route")
    rows = await store.read(lambda tx: tx.sql("select status, reason from events"))
    assert (receipt.woken, rows) == ((), [("ignored", "no route")])


async def test_a_key_that_counts_for_a_while_is_forgotten_afterwards(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a", key_seconds=900)
    clock.advance(899)
    assert (await accept_one(store, "a", key_seconds=900)).outcome is RequestOutcome.DUPLICATE
    clock.advance(5)
    assert (await accept_one(store, "a", key_seconds=900)).outcome is RequestOutcome.ACCEPTED


async def test_a_duplicate_of_a_failed_event_runs_the_failed_deliveries_again(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", to=("app.paid", "chat"))
    failing, fine = sorted(await claim(store, "app.paid", "chat"), key=lambda taken: taken.destination)
    await store.settle([settled(failing, State.FAILED), settled(fine)])
    assert await counts(store, receipt.events[0]) == {"failed": 1, "succeeded": 1}
    await accept_one(store, "a", to=("app.paid", "chat"))
    assert await counts(store, receipt.events[0]) == {"pending": 1, "succeeded": 1}
    [again] = await claim(store, "app.paid", "chat")
    assert (again.trigger, again.attempt, again.delivery) == (Trigger.REDELIVERY, 1, failing.delivery)
    assert again.event.idempotency_key == failing.event.idempotency_key


async def test_a_duplicate_runs_nothing_where_the_source_says_so(store: SqliteStore) -> None:
    await accept_one(store, "a")
    [taken] = await claim(store)
    await store.settle([settled(taken, State.FAILED)])
    await store.accept([arrival(event("a"), on_duplicate="ignore")])
    assert await claim(store) == []


async def test_the_items_of_a_batch_share_the_request_and_keep_their_own_bytes(store: SqliteStore) -> None:
    body = b'[{"n":1},{"n":2}]'
    items = [event(str(n), b'{"n":%d}' % n, provider_id=None) for n in (1, 2)]
    items = [msgspec.structs.replace(item, body=b'{"n":%d}' % (index + 1)) for index, item in enumerate(items)]
    [receipt] = await store.accept([arrival(*items, body=body)])
    assert isinstance(receipt, Receipt)
    one, two = await claim(store)
    assert (one.event.raw, one.event.item) == (body, b'{"n":1}')
    assert (two.event.raw, two.event.item) == (body, b'{"n":2}')
    assert receipt.events == (one.event_number, two.event_number)


async def test_a_data_error_fails_only_its_own_arrival(store: SqliteStore) -> None:
    broken = msgspec.structs.replace(event("b"), digest=b"short")
    huge = msgspec.structs.replace(arrival(event("c")), secret=1 << 70)
    good, wrong, too_big, last = await store.accept([arrival(event("a")), arrival(broken), huge, arrival(event("d"))])
    assert isinstance(good, Receipt)
    assert isinstance(wrong, ValueError)
    assert isinstance(too_big, OverflowError)
    assert isinstance(last, Receipt)
    assert len(await claim(store)) == 2


@pytest.mark.parametrize("field", ["type", "provider_id", "subject", "reason", "key"])
async def test_no_text_of_a_stranger_puts_nul_or_a_lone_surrogate_into_a_column(store: SqliteStore, field: str) -> None:
    strange = msgspec.structs.replace(event("k", to=()), **{field: "a\0b\ud800c"})
    [receipt] = await store.accept([arrival(strange)])
    assert isinstance(receipt, Receipt)
    [row] = await store.read(lambda tx: as_dicts(tx.connection.execute("select * from events")))
    assert all("\0" not in value for value in row.values() if isinstance(value, str))


async def test_any_bytes_of_a_body_header_and_target_come_back_as_they_were(store: SqliteStore) -> None:
    body = bytes(range(256)) * 40
    strange = arrival(event("a", body), body=body)
    request = msgspec.structs.replace(
        strange.request, headers=[(b"\xff\x00", b"\x00\xfe"), (b"", b"")], target=b"/\x00\xff?"
    )
    await store.accept([msgspec.structs.replace(strange, request=request)])
    [taken] = await claim(store)
    assert (taken.event.raw, taken.event.headers, taken.event.target) == (body, request.headers, request.target)


async def test_a_triggered_event_says_so_at_every_attempt(store: SqliteStore) -> None:
    await store.accept([arrival(event("a"), origin=Origin.TRIGGER)])
    [taken] = await claim(store)
    assert (taken.trigger, taken.event.origin) == (Trigger.TRIGGER, "trigger")


async def test_events_of_several_processes_ascend_in_the_order_of_their_commits(
    store: SqliteStore, url: str, clock: FakeClock
) -> None:
    other = await open_store(url, role="test", clock=clock)
    try:
        numbers = []
        for n in range(20):
            [receipt] = await (store if n % 2 else other).accept([arrival(event(f"e{n}"))])
            assert isinstance(receipt, Receipt)
            numbers += receipt.events
        assert numbers == sorted(numbers)
    finally:
        await other.close()


async def test_a_key_accepted_by_one_process_is_a_duplicate_for_another(
    store: SqliteStore, url: str, clock: FakeClock
) -> None:
    other = await open_store(url, role="test", clock=clock)
    try:
        await accept_one(store, "a")
        assert (await accept_one(other, "a")).outcome is RequestOutcome.DUPLICATE
        await accept_one(other, "b")
        assert (await accept_one(store, "b")).outcome is RequestOutcome.DUPLICATE
    finally:
        await other.close()


async def test_an_event_for_many_destinations_counts_each(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", deliveries=tuple(NewDelivery(f"d{n}") for n in range(40)))
    assert await counts(store, receipt.events[0]) == {"pending": 40}
    assert len(receipt.woken) == 40


async def test_accepts_at_the_same_time_know_of_each_other(store: SqliteStore) -> None:
    batches = [store.accept([arrival(event(f"e{n}")), arrival(event("same"))]) for n in range(8)]
    receipts = [receipt for batch in await asyncio.gather(*batches) for receipt in batch]
    outcomes = Counter(receipt.outcome for receipt in receipts if isinstance(receipt, Receipt))
    assert outcomes == {RequestOutcome.ACCEPTED: 9, RequestOutcome.DUPLICATE: 7}
    assert len(await claim(store)) == 9


async def test_an_event_whose_commit_failed_is_new_when_it_comes_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept_one(store, "before")
    with monkeypatch.context() as broken:
        broken.setattr(Tx, "one", lambda *_, **__: (_ for _ in ()).throw(apsw.FullError("full")))
        with pytest.raises(Unavailable):
            await accept_one(store, "a")
    again = await accept_one(store, "a")
    assert (again.outcome, again.woken) == (RequestOutcome.ACCEPTED, ("app.paid",))


async def test_keys_are_known_after_they_were_sorted_away(store: SqliteStore, url: str, clock: FakeClock) -> None:
    names = [f"e{n}" for n in range(300)]
    for start in range(0, 300, 50):
        await store.accept([arrival(event(name)) for name in names[start : start + 50]])
        await keyruns.tidy_keys(store, run=20)
    other = await open_store(url, role="test", clock=clock)
    try:
        for each in (store, other):
            for name in names[::7]:
                assert (await accept_one(each, name)).outcome is RequestOutcome.DUPLICATE
            assert (await accept_one(each, f"new for {id(each)}")).outcome is RequestOutcome.ACCEPTED
    finally:
        await other.close()


async def test_a_batch_of_new_events_needs_no_second_look_even_after_one_that_did(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept_one(store, "a")
    await accept_one(store, "a")
    monkeypatch.setattr("hookline.store.sqlite.accept._write", lambda *_: pytest.fail("it was looked at again"))
    assert (await accept_one(store, "b")).outcome is RequestOutcome.ACCEPTED


async def test_an_impostor_in_the_same_commit_does_not_take_the_first_ones_place(store: SqliteStore) -> None:
    first, other = await store.accept(
        [arrival(event("a", b"one"), body=b"one"), arrival(event("a", b"two"), body=b"two")]
    )
    assert isinstance(first, Receipt)
    assert isinstance(other, Receipt)
    assert await held(store, first.events[0]) == (None, "pending", None)
    assert (await held(store, other.events[0]))[0] == "same id, other body"
    for body, known in ((b"one", first), (b"two", other)):
        again = await accept_one(store, "a", body)
        assert (again.outcome, again.events) == (RequestOutcome.DUPLICATE, known.events)


async def test_an_event_that_comes_again_while_its_commit_outlasts_the_doors_patience_is_a_duplicate(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept_one(store, "before")
    disk = threading.Event()
    store._writer._connection.set_commit_hook(lambda: not disk.wait(30))
    with monkeypatch.context() as hasty:
        hasty.setattr("hookline.store.sqlite.store.PATIENCE", 0.05)
        with pytest.raises(Unavailable):
            await accept_one(store, "a")
    again = asyncio.create_task(accept_one(store, "a"))
    while not store._book.pending:
        await asyncio.sleep(0)
    disk.set()
    assert (await again).outcome is RequestOutcome.DUPLICATE
    assert len(await claim(store)) == 2


async def test_a_dictionary_of_a_commit_that_failed_compresses_nothing(
    store: SqliteStore, url: str, clock: FakeClock
) -> None:
    data = train([b'{"action": "opened", "number": %d, "title": "%d"}' % (n, n * n) for n in range(200)])
    assert data is not None

    def keep(tx: Tx) -> None:
        tx.run("insert_dictionary", source="github", now=tx.now, data=data)
        tx.connection.set_commit_hook(lambda: True)  # refuses

    packed = [store.prepare(arrival(event("a")))]
    began, busy = threading.Event(), threading.Event()
    waiting = asyncio.create_task(store.write(lambda tx: (began.set(), busy.wait(30))))
    while not began.is_set():
        await asyncio.sleep(0)
    together = asyncio.gather(store.write(keep), store.accept_prepared(packed), return_exceptions=True)
    while store._writer._queue.qsize() < 2:
        await asyncio.sleep(0)
    busy.set()
    await waiting
    assert all(isinstance(problem, Exception) for problem in await together)
    store._writer._connection.set_commit_hook(None)
    await accept_one(store, "b", b'{"action": "opened"}')
    other = await open_store(url, role="test", clock=clock)
    try:
        [taken] = await claim(other)
    finally:
        await other.close()
    assert taken.event.raw == b'{"action": "opened"}'
