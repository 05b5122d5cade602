"""Finding things again: by search, by id, by the provider's own id, newest first."""

from __future__ import annotations

import json

import msgspec
import pytest

from contract.say import accept_one, arrival, claim, event, settled
from hookline import ids, search
from hookline.model import Outcome, RequestOutcome, State
from hookline.store.base import RequestNote, Want
from hookline.store.clock import FakeClock
from hookline.store.records import CursorError
from hookline.store.sqlite.keyruns import tidy_keys
from hookline.store.sqlite.store import SqliteStore


async def found(store: SqliteStore, query: str, **more: object) -> list[str | None]:
    """The provider ids of the events that a search finds, newest first."""
    page = await store.list_events(search.parse(query, store.now()), **more)  # type: ignore[arg-type]  # of list_events
    return [row.provider_id for row in page.data]


async def end(store: SqliteStore, state: State, *destinations: str, **outcome: object) -> None:
    """Settle everything that can be claimed."""
    for held in await claim(store, *destinations):
        result = Outcome(state=state, **outcome)  # type: ignore[arg-type]  # of Outcome
        await store.settle([settled(held, state, outcome=result, reason=outcome.get("reason", "said so"))])


async def test_events_read_as_they_were_received(store: SqliteStore) -> None:
    receipt = await accept_one(store, "d1", b'{"a": 1}', type="push", subject="repo/1", occurred_at=1_799_999_990.0)
    [row] = (await store.list_events()).data
    assert (row.id, row.source, row.environment, row.type) == (receipt.events[0], "github", "production", "push")
    assert (row.status, row.reason, row.provider_id, row.subject) == ("pending", None, "d1", "repo/1")
    assert (row.occurred_at, row.received_at, row.duplicates) == (1_799_999_990.0, 1_800_000_000.0, 0)
    assert (row.origin, row.size) == ("provider", 8)


async def test_pages_follow_each_other_without_gap_or_repetition(store: SqliteStore) -> None:
    for number in range(7):
        await accept_one(store, f"d{number}")
    pages, cursor = [], None
    while True:
        page = await store.list_events(limit=3, cursor=cursor)
        pages.append([row.provider_id for row in page.data])
        cursor = page.next
        if cursor is None:
            break
        await accept_one(store, f"late{len(pages)}")
    assert pages == [["d6", "d5", "d4"], ["d3", "d2", "d1"], ["d0"]]


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "_" * 22, "A" * 1_000])
async def test_a_cursor_that_is_none_is_refused(store: SqliteStore, cursor: str) -> None:
    with pytest.raises(CursorError, match="start again"):
        await store.list_events(cursor=cursor)


async def test_searches_by_what_columns_say(store: SqliteStore, clock: FakeClock) -> None:
    await store.accept(
        [
            arrival(event("a", type="invoice.paid", subject="cus_1"), source="stripe"),
            arrival(event("b", type="invoice.void", to=(), reason="no route"), source="stripe"),
            arrival(event("c", type="push", to=("app.paid", "app.other"))),
        ]
    )
    await end(store, State.FAILED, "app.other", code=503, reason="Gateway timeout")
    for query, wanted in {
        "source:stripe": "ba",
        "type:invoice.*": "ba",
        "type:invoice.paid": "a",
        'type:"invoice.*"': "",
        "-source:stripe": "c",
        "subject:cus_1": "a",
        "-subject:cus_1": "cb",
        "status:failed": "c",
        "status:pending": "a",
        "status:ignored": "b",
        "is:ignored OR is:failed": "cb",
        "code:5xx": "c",
        "code:>=500 code:<504": "c",
        "-code:5xx": "ba",
        "destination:app.other state:failed": "c",
        "destination:app.paid state:failed": "",
        "reason:timeout": "c",
        'reason:"no route"': "b",
        "attempts:>=1": "c",
        "provider_id:b": "b",
        "id:b": "b",
        "environment:test": "",
        "is:duplicate": "",
        "(source:stripe OR destination:app.other) -status:pending": "cb",
    }.items():
        assert "".join(filter(None, await found(store, query))) == wanted, query


async def test_searches_by_time(store: SqliteStore, clock: FakeClock) -> None:
    start = store.now()
    for minutes in range(3):
        await store.accept([arrival(event(str(minutes)), at=store.now())])
        clock.advance(600)
    assert store.now() == start + 1_800
    assert await found(store, "since:15m") == ["2"]
    assert await found(store, "until:15m") == ["1", "0"]
    assert await found(store, "since:25m until:15m") == ["1"]


async def test_searches_by_what_only_the_payload_says(store: SqliteStore) -> None:
    bodies = {
        "a": {"amount": 1500, "to": {"name": "Ann"}, "paid": True, "lines": [{"sku": "x"}], "tags": ["red", "blue"]},
        "b": {"amount": "900", "to": {"name": "Bob"}, "note": "caf\u00e9"},
        "c": {"amount": 20, "deep": [[1]], "to": {"name": "Zo\u00eb"}},
    }
    for key, value in bodies.items():
        body = json.dumps(value).encode()
        await store.accept([arrival(event(key, body), body=body)])
    for query, wanted in {
        "body.amount:>=1000": "a",
        "body.amount:<1000": "cb",
        "body.amount:900": "b",
        "body.to.name:A*": "a",
        "body.to.name:*": "cba",
        "-body.to.name:*": "",
        "body.paid:true": "a",
        "body.lines.0.sku:x": "a",
        "body.tags:blue": "a",
        "body.nothing:1": "",
        "header.Content-Type:application/json": "cba",
        "header.x-twice:2 body.amount:20": "c",
        "body.st\u00e4dte:1": "",
        "body.to.name:Zo\u00eb": "c",
        "body.to.name:Zoe-1": "",
        "Bob": "b",
        "bob OR ann": "ba",
        '"CAFÉ"': "b",
        "source:github -Bob": "ca",
        "source:stripe OR body.amount:20": "c",
        "-(source:github body.amount:20)": "ba",
    }.items():
        assert "".join(filter(None, await found(store, query))) == wanted, query


async def test_a_form_is_searched_like_json(store: SqliteStore) -> None:
    body = b"From=%2B1&Body=hello"
    plain = arrival(event("sms", body), body=body, source="twilio")
    form = [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")]
    await store.accept([msgspec.structs.replace(plain, request=msgspec.structs.replace(plain.request, headers=form))])
    assert await found(store, "body.From:+1") == ["sms"]


async def test_a_search_without_time_says_how_far_it_came_and_goes_on_from_there(store: SqliteStore) -> None:
    for number in range(5):
        await accept_one(store, f"d{number}", b'{"n": %d}' % number)
    query = search.parse("body.n:1", store.now())
    cursor, looked, data = None, 0, []
    while True:
        page = await store.list_events(query, cursor=cursor, seconds=0)
        data += [row.provider_id for row in page.data]
        looked += 1
        cursor = page.next
        if cursor is None:
            break
        assert page.scanned_to is not None
    assert data == ["d1"]
    assert looked == 6


async def test_deliveries_are_found_by_their_own_and_their_events_fields(store: SqliteStore, clock: FakeClock) -> None:
    await store.accept([arrival(event("a", to=("one", "two"))), arrival(event("b", to=("one",)), source="stripe")])
    await end(store, State.FAILED, "two", code=500)

    async def listed(query: str) -> list[tuple[str, str, str | None]]:
        page = await store.list_deliveries(search.parse(query, store.now()))
        return [(row.destination, row.state, row.phase) for row in page.data]

    assert await listed("source:stripe") == [("one", "pending", "no worker")]
    assert await listed("destination:two") == [("two", "failed", None)]
    assert await listed("state:failed code:5xx") == [("two", "failed", None)]
    assert await listed("status:failed") == [("one", "pending", "no worker"), ("two", "failed", None)]
    pages = await store.list_deliveries(limit=2)
    rest = await store.list_deliveries(limit=2, cursor=pages.next)
    assert [row.destination for row in pages.data + rest.data] == ["one", "one", "two"]
    assert rest.next is None


async def test_what_runs_now_is_found_while_its_lease_lasts(store: SqliteStore, clock: FakeClock) -> None:
    for key in ("a", "b", "c"):
        await accept_one(store, key)
    [held] = await claim(store, want=Want(slots=1))
    [line] = (await store.list_deliveries(search.parse("is:running", store.now()))).data
    assert (line.id, line.phase) == (held.delivery, "running")
    assert await found(store, "is:running") == ["a"]
    assert await found(store, "-is:running") == ["c", "b"]
    clock.advance(61)
    assert await found(store, "is:running") == []


async def test_one_event_comes_with_its_bytes_deliveries_and_attempts(store: SqliteStore) -> None:
    receipt = await accept_one(store, "d1", b'{"a":\x001}')
    await end(store, State.FAILED, code=503, reason="Gateway timeout", error="Traceback …", received=b"sorry\xff")
    story = await store.event(receipt.events[0])
    assert story is not None
    assert story.raw == story.item == b'{"a":\x001}'
    assert story.headers == [(b"Content-Type", b"application/json"), (b"X-Twice", b"1"), (b"x-twice", b"2")]
    assert (story.method, story.target, story.peer) == ("POST", b"/webhooks/x?a=%00", "192.0.2.1")
    assert (story.event.status, story.event.reason) == ("failed", "Gateway timeout")
    [line] = story.deliveries
    assert (line.delivery.state, line.delivery.attempts, line.delivery.code) == ("failed", 1, 503)
    [attempt] = line.attempts
    assert (attempt.number, attempt.state, attempt.error, attempt.received) == (
        1,
        "failed",
        "Traceback …",
        b"sorry\xff",
    )
    assert await store.event(1) is None


async def test_an_event_answers_to_every_name_it_has(store: SqliteStore, clock: FakeClock) -> None:
    first = (await accept_one(store, "d1", type="push")).events[0]
    clock.advance(1)
    [receipt] = await store.accept([arrival(event("pi_1", type="invoice.paid"), source="stripe")])
    assert not isinstance(receipt, Exception)
    second = receipt.events[0]
    story = await store.event(first)
    assert story is not None
    for name, wanted in {
        ids.show("evt", first): first,
        ids.show("req", story.event.request): first,
        ids.show("dlv", story.deliveries[0].delivery.id): first,
        "latest": second,
        "latest push": first,
        "latest invoice.*": second,
        "d1": first,
        "pi_1": second,
        "latest nothing": None,
        "pi_2": None,
        ids.show("evt", 1): None,
        "": None,
        "\ud800": None,
    }.items():
        assert await store.find_event(name) == wanted, name


async def test_a_providers_id_is_found_where_the_key_is_another(store: SqliteStore) -> None:
    [receipt] = await store.accept([arrival(event("digest of the body", provider_id="pi_7"))])
    assert not isinstance(receipt, Exception)
    assert await store.find_event("pi_7") == receipt.events[0]
    assert await store.find_event("digest of the body") is None


async def test_a_providers_id_is_found_after_its_key_was_sorted_away(store: SqliteStore) -> None:
    number = (await accept_one(store, "d1")).events[0]
    for other in range(5):
        await accept_one(store, f"other{other}")
    assert await tidy_keys(store, run=3)
    assert await store.find_event("d1") == number


async def test_requests_show_what_was_rejected_and_what_came_twice(store: SqliteStore) -> None:
    receipt = await accept_one(store, "d1")
    await accept_one(store, "d1")
    refused = arrival(body=b"forged").request
    await store.note(
        [
            RequestNote(
                source="github", outcome=RequestOutcome.REJECTED, reason="bad signature", status=401, request=refused
            ),
            RequestNote(
                source=None,
                outcome=RequestOutcome.REJECTED,
                reason="unknown path",
                status=404,
                request=refused,
                hint="did you mean /webhooks/github?",
            ),
        ]
    )

    async def outcomes(query: str) -> list[str]:
        return [row.outcome for row in (await store.list_requests(search.parse(query, store.now()))).data]

    assert await outcomes("") == ["rejected", "rejected", "duplicate", "accepted"]
    assert await outcomes("source:github outcome:rejected code:401") == ["rejected"]
    assert await outcomes("outcome:rejected") == ["rejected", "rejected"]
    assert await outcomes('reason:"unknown path"') == ["rejected"]
    assert await outcomes("forged outcome:rejected") == ["rejected", "rejected"]
    assert await outcomes("is:duplicate") == ["duplicate"]
    [row] = (await store.list_requests(search.parse("code:404", store.now()))).data
    story = await store.request(row.id)
    assert story is not None
    assert (story.request.hint, story.body, story.events) == ("did you mean /webhooks/github?", b"forged", [])
    [again] = (await store.list_requests(search.parse("is:duplicate", store.now()))).data
    story = await store.request(again.id)
    assert story is not None
    assert (story.body, story.events) == (None, list(receipt.events))
    with pytest.raises(search.SearchError, match="requests have no type"):
        await store.list_requests(search.parse("type:x", store.now()))
