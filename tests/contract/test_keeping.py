"""What is old goes, what is open stays; what is erased is gone; tokens open the door until they end."""

from __future__ import annotations

import os

from contract.say import accept_one, arrival, claim, counts, event, settled
from hookline.model import NewDelivery, Request, RequestOutcome, State
from hookline.store import open_store
from hookline.store.base import RequestNote
from hookline.store.clock import FakeClock
from hookline.store.records import Keep, ReplayOptions
from hookline.store.sqlite.store import SqliteStore

DAY = 86_400.0
KEEP = Keep(events=30 * DAY, failed=30 * DAY, rejected=7 * DAY)
TABLES = ("requests", "events", "items", "deliveries", "attempts")


async def rows(store: SqliteStore) -> dict[str, int]:
    """How many rows the tables have, without the empty ones."""

    def count(tx):
        return {name: tx.sql(f"select count(*) from {name}")[0][0] for name in TABLES}

    return {name: number for name, number in (await store.read(count)).items() if number}


async def settle(store: SqliteStore, state: State, clock: FakeClock) -> None:
    [taken] = await claim(store)
    await store.settle([settled(taken, state, at=clock.now())])


async def test_a_settled_event_goes_with_everything_it_had(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    await accept_one(store, "a")
    await settle(store, State.SUCCEEDED, clock)
    clock.advance(6 * DAY)
    await store.retain(KEEP)
    assert await rows(store) == {"requests": 2, "events": 1, "deliveries": 1, "attempts": 1}
    clock.advance(23 * DAY)
    await store.retain(KEEP)  # the repetition goes as the request log does; the event still counts it
    assert await rows(store) == {"requests": 1, "events": 1, "deliveries": 1, "attempts": 1}
    clock.advance(2 * DAY)
    dropped = await store.retain(KEEP)
    assert dropped is not None
    assert dropped.events == 1
    assert await rows(store) == {}
    assert await store.check() == []


async def test_an_open_delivery_keeps_its_event_however_old_it_is(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a", to=("app.paid", "app.other"))
    await settle(store, State.SUCCEEDED, clock)
    clock.advance(400 * DAY)
    await store.retain(KEEP)
    assert (await rows(store))["deliveries"] == 2


async def test_a_failed_event_stays_until_nobody_has_touched_it_for_long_enough(
    store: SqliteStore, clock: FakeClock
) -> None:
    await accept_one(store, "a")
    clock.advance(20 * DAY)
    await settle(store, State.FAILED, clock)
    clock.advance(20 * DAY)
    await store.retain(KEEP)
    assert (await rows(store))["events"] == 1
    clock.advance(11 * DAY)
    await store.retain(KEEP)
    assert await rows(store) == {}


async def test_a_batch_goes_when_its_last_event_does(store: SqliteStore, clock: FakeClock) -> None:
    pair = arrival(event("a", body=b"1"), event("b", body=b"2", to=("app.late",)), body=b"[1,2]")
    await store.accept([pair])
    await settle(store, State.SUCCEEDED, clock)
    clock.advance(31 * DAY)
    await store.retain(KEEP)
    assert (await rows(store))["requests"] == 1
    [late] = await claim(store, "app.late")
    assert late.event.raw == b"[1,2]"
    await store.settle([settled(late, at=clock.now())])
    clock.advance(31 * DAY)
    await store.retain(KEEP)
    assert await rows(store) == {}


async def test_a_late_retry_of_a_dropped_event_is_a_duplicate_still(store: SqliteStore, clock: FakeClock) -> None:
    await accept_one(store, "a")
    await settle(store, State.SUCCEEDED, clock)
    clock.advance(31 * DAY)
    await store.retain(KEEP)
    late = await accept_one(store, "a")
    assert late.outcome is RequestOutcome.DUPLICATE
    assert await claim(store) == []


async def test_rejected_requests_go_after_their_own_time(store: SqliteStore, clock: FakeClock) -> None:
    request = Request(method="POST", target=b"/x", headers=[], body=b"", received_at=clock.now(), peer="192.0.2.1")
    note = RequestNote(
        source="github", outcome=RequestOutcome.REJECTED, reason="bad signature", status=401, request=request
    )
    await store.note([note])
    clock.advance(6 * DAY)
    await store.retain(KEEP)
    assert await rows(store) == {"requests": 1}
    clock.advance(2 * DAY)
    await store.retain(KEEP)
    assert await rows(store) == {}


async def test_one_process_at_a_time_lets_go(store: SqliteStore) -> None:
    from hookline.store.sqlite.turnstile import only_one

    with only_one(store.path, "retention") as mine:
        assert mine
        assert await store.retain(KEEP) is None
    assert await store.retain(KEEP) is not None


async def test_what_is_erased_is_gone_and_its_id_is_not(store: SqliteStore) -> None:
    body = b'{"name": "Ada Lovelace"}'
    keyed = (NewDelivery("app.paid", "app.paid", ordering_key="ada@example.org"),)
    receipt = await accept_one(store, "a", body, subject="ada", deliveries=keyed)
    [taken] = await claim(store)
    await store.settle([settled(taken, reason="no such user: ada")])
    assert await store.erase(list(receipt.events), who="ops") == 1

    def dump(tx):
        return [tx.sql(f"select * from {name}") for name in TABLES]

    left = repr(await store.read(dump))
    assert "Ada" not in left
    assert "ada" not in left
    assert "192.0.2.1" not in left
    assert (await accept_one(store, "a", body)).outcome is RequestOutcome.DUPLICATE
    assert await counts(store, receipt.events[0]) == {"succeeded": 1}
    assert (await store.list_audit()).data[0].action == "erased"


async def test_an_erased_event_that_was_open_is_called_off(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", b"secret")
    await store.erase(list(receipt.events), who="ops")
    assert await claim(store) == []
    [line] = (await store.list_deliveries()).data
    assert (line.state, line.reason) == ("cancelled", "erased")


async def test_a_late_copy_of_an_erased_event_does_not_run_what_had_failed(store: SqliteStore) -> None:
    receipt = await accept_one(store, "a", b"secret")
    [taken] = await claim(store)
    await store.settle([settled(taken, State.FAILED)])
    await store.erase(list(receipt.events), who="ops")
    again = await accept_one(store, "a", b"secret")
    assert (again.outcome, again.events) == (RequestOutcome.DUPLICATE, receipt.events)
    assert await claim(store) == []


async def test_a_token_opens_the_door_until_it_ends(store: SqliteStore, clock: FakeClock) -> None:
    first = await store.create_token("ci", "viewer", b"1" * 32, None, who="ada")
    await store.create_token("laptop", "admin", b"2" * 32, clock.now() + DAY, who="ada")
    assert await store.count_tokens() == 2
    found = await store.find_token(b"2" * 32)
    assert found is not None
    assert (found.name, found.role) == ("laptop", "admin")
    assert await store.find_token(b"3" * 32) is None
    clock.advance(DAY + 1)
    assert await store.find_token(b"2" * 32) is None
    assert await store.revoke_token(first, who="ada")
    assert not await store.revoke_token(first, who="ada")
    assert await store.find_token(b"1" * 32) is None
    assert await store.count_tokens() == 0
    assert [row.used_at for row in await store.list_tokens()] == [1_800_000_000.0, None]


async def test_the_audit_log_comes_in_pages_the_newest_first(store: SqliteStore) -> None:
    for number in range(5):
        await store.write_audit("ada", "paused", f"d{number}", {"n": number})
    first = await store.list_audit(limit=3)
    assert [row.target for row in first.data] == ["d4", "d3", "d2"]
    rest = await store.list_audit(limit=3, cursor=first.next)
    assert [row.detail["n"] for row in rest.data] == [1, 0]
    assert rest.next is None


async def test_two_processes_name_what_people_do_apart_though_the_clock_is_behind(
    store: SqliteStore, url: str, clock: FakeClock
) -> None:
    await accept_one(store, "a")
    other = await open_store(url, role="test", clock=FakeClock(clock.now() - 86_400))
    third = await open_store(url, role="test", clock=FakeClock(clock.now() - 86_400))
    try:
        for each in (other, third):
            await each.pause("app.paid", who="ann")
            await each.create_token("one", "viewer", os.urandom(32), None, who="ann")
            await each.create_replay("", ReplayOptions(), who="ann")
        assert len((await store.list_audit()).data) == 6
    finally:
        await other.close()
        await third.close()
