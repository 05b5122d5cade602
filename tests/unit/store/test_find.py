"""Whatever people combine: a search finds what the same search by hand finds, page after page, in both directions."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.say import arrival, event, settled
from hookline import search
from hookline.model import Outcome, State
from hookline.search import All, Either, Node, Not, Term
from hookline.store import open_store
from hookline.store.base import Want
from hookline.store.clock import FakeClock
from hookline.store.compress import Codec
from hookline.store.records import Cursor, CursorError
from hookline.store.sqlite import browse, pick
from hookline.store.sqlite.connect import connect_reader
from hookline.store.sqlite.tx import Tx

NOW = 1_800_000_000.0
SOURCES, TYPES, SUBJECTS = ("github", "stripe"), ("push", "invoice.paid", "invoice.void"), (None, "cus_1", "cus_2")
NAMES = ("one", "two")
STATES = (State.SUCCEEDED, State.FAILED, State.PENDING)


async def fill(path: Path) -> list[dict[str, Any]]:
    """Thirty-six events of every kind, and what there is to know of each."""
    clock = FakeClock(NOW)
    store = await open_store(f"sqlite:///{path}", role="test", clock=clock)
    known: list[dict[str, Any]] = []
    for number in range(36):
        clock.advance(60)
        source, type_, subject = SOURCES[number % 2], TYPES[number % 3], SUBJECTS[number // 4 % 3]
        to = NAMES[: number % 3]
        body = b'{"n": %d, "word": "w%d"}' % (number, number % 5)
        [receipt] = await store.accept(
            [
                arrival(
                    event(str(number), body, to=to, type=type_, subject=subject, reason=None if to else "no route"),
                    body=body,
                    source=source,
                    at=clock.now(),
                )
            ]
        )
        assert not isinstance(receipt, Exception)
        row = {
            "id": receipt.events[0],
            "source": source,
            "type": type_,
            "subject": subject,
            "size": len(body),
            "n": number,
            "word": f"w{number % 5}",
            "at": clock.now(),
            "deliveries": [],
        }
        for place, name in enumerate(to):
            state = STATES[(number + place) % 3]
            code = 500 + number % 7 if state is not State.PENDING else None
            [held] = await store.claim("w", {name: Want(slots=1, breaker=False)}, 60)
            result = settled(held, state, outcome=Outcome(code=code), due_at=clock.now() + 9_999_999, at=clock.now())
            await store.settle([result])
            row["deliveries"].append({"id": held.delivery, "destination": name, "state": state.value, "code": code})
        states = [delivery["state"] for delivery in row["deliveries"]]
        worst = [state for state in ("failed", "pending") if state in states]
        row["status"] = worst[0] if worst else "processed" if states else "ignored"
        known.append(row)
    await store.close()
    return known


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[apsw.Connection, list[dict[str, Any]]]]:
    path = tmp_path_factory.mktemp("find") / "store.db"
    known = asyncio.run(fill(path))
    connection = connect_reader(path)
    yield connection, known
    connection.close()


def by_hand(node: Node, row: dict[str, Any], delivery: dict[str, Any] | None) -> bool:
    """The same question, asked of a dict. ``delivery`` is the one in question, or None where events are searched."""
    match node:
        case Not():
            return not by_hand(node.node, row, delivery)
        case Either():
            return any(by_hand(part, row, delivery) for part in node.nodes)
        case All():
            own = [part for part in node.nodes if isinstance(part, Term) and part.field in DELIVERY_FIELDS]
            if own and delivery is None:
                rest = [part for part in node.nodes if part not in own]
                together = any(all(of_delivery(term, one) for term in own) for one in row["deliveries"])
                return together and all(by_hand(part, row, None) for part in rest)
            return all(by_hand(part, row, delivery) for part in node.nodes)
        case Term():
            if node.field in DELIVERY_FIELDS:
                chosen = row["deliveries"] if delivery is None else [delivery]
                return any(of_delivery(node, one) for one in chosen)
            return of_event(node, row)


def of_delivery(term: Term, delivery: dict[str, Any]) -> bool:
    if term.field == "code":
        return delivery["code"] is not None and bool(COMPARE[term.op](delivery["code"], float(term.value)))
    return bool(delivery[term.field] == term.value)


def of_event(term: Term, row: dict[str, Any]) -> bool:
    match term.field:
        case "body":
            return bool(COMPARE[term.op](row["n"], float(term.value)))
        case "text":
            return term.value in row["word"]
        case "is" | "status":
            return bool(row["status"] == term.value)
        case "since":
            return bool(row["at"] >= term.numbers[0])
        case "until":
            return bool(row["at"] < term.numbers[0])
        case "type" if term.op == "like":
            return bool(row["type"].startswith(term.value[:-1]))
        case _:
            return bool(row[term.field] == term.value)


COMPARE = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
DELIVERY_FIELDS = ("state", "destination", "code")
OPERATORS = st.sampled_from(["", "<", "<=", ">", ">="])
TERMS = st.one_of(
    st.sampled_from([f"source:{name}" for name in (*SOURCES, "none")]),
    st.sampled_from([*(f"type:{name}" for name in TYPES), "type:invoice.*", "type:*"]),
    st.sampled_from(["subject:cus_1", "subject:cus_2"]),
    st.sampled_from(
        [f"{field}:{name}" for field in ("status", "is") for name in ("failed", "pending", "processed", "ignored")]
    ),
    st.sampled_from([f"state:{state.value}" for state in (*STATES, State.CANCELLED)]),
    st.sampled_from(["destination:one", "destination:two"]),
    st.tuples(OPERATORS, st.integers(499, 507)).map(lambda pair: f"code:{pair[0]}{pair[1]}"),
    st.tuples(OPERATORS, st.integers(-1, 36)).map(lambda pair: f"body.n:{pair[0]}{pair[1]}"),
    st.sampled_from(["w1", "w4", "w9"]),
    st.tuples(st.sampled_from(["since", "until"]), st.integers(0, 40)).map(lambda pair: f"{pair[0]}:{pair[1]}m"),
)
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"-({text})"),
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + " OR ".join(parts) + ")"),
    ),
    max_leaves=6,
)


def pages(tx: Tx, listing: browse.Listing[Any], query: Node, limit: int, hurry: bool) -> list[int]:
    """All ids of a search, page by page."""
    found: list[int] = []
    cursor = None
    for _ in range(1_000):
        page = browse.listed(tx, listing, Codec(), query, limit, cursor, lambda: hurry)
        assert len(page.data) <= limit
        found += [row.id for row in page.data]
        if page.next is None:
            return found
        cursor = Cursor.load(page.next)
    raise AssertionError("a search that does not end")


@given(text=QUERIES, limit=st.integers(1, 40), hurry=st.booleans())
@example(text="destination:one state:succeeded", limit=5, hurry=False)
@example(text="-(destination:one state:succeeded w1)", limit=5, hurry=True)
def test_events_are_those_that_a_look_at_each_finds(
    filled: tuple[apsw.Connection, list[dict[str, Any]]], text: str, limit: int, hurry: bool
) -> None:
    connection, known = filled
    now = NOW + 37 * 60
    query = search.parse(text, now)
    wanted = [row["id"] for row in reversed(known) if by_hand(query, row, None)]
    assert pages(Tx(connection, now), browse.LIST_EVENTS, query, limit, hurry) == wanted


@given(text=QUERIES, limit=st.integers(1, 80), hurry=st.booleans())
def test_deliveries_are_those_that_a_look_at_each_finds(
    filled: tuple[apsw.Connection, list[dict[str, Any]]], text: str, limit: int, hurry: bool
) -> None:
    connection, known = filled
    now = NOW + 37 * 60
    query = search.parse(text, now)
    wanted = [one["id"] for row in reversed(known) for one in row["deliveries"] if by_hand(query, row, one)]
    assert pages(Tx(connection, now), browse.LIST_DELIVERIES, query, limit, hurry) == wanted


PIECES = st.sampled_from(
    [
        *(f"{name}:" for name in search.FIELDS),
        "body.a:",
        "header.b:",
        " ",
        "(",
        ")",
        "-",
        '"',
        ">=",
        "5xx",
        "2h",
        "*",
        "[",
    ]
)


@given(text=st.lists(PIECES | st.text(max_size=3)).map("".join))
@example("header.\ud800:x body.\ud800:x subject:\ud800 \ud800 -peer:\ud800*")
@example("until:9999-12-31")
@example("since:9999-12-31 until:0001-01-01")
@example("id:evt_zzzzzzzzzzzzz size:>999999999999999999 attempts:-1")
@example("reason:\0 method:\0 header.x:\0 \0")
def test_any_query_ends_in_a_page_or_in_words(filled: tuple[apsw.Connection, list[dict[str, Any]]], text: str) -> None:
    connection, _ = filled
    try:
        query = search.parse(text, NOW)
    except search.SearchError:
        return
    for listing in (browse.LIST_EVENTS, browse.LIST_DELIVERIES, browse.LIST_REQUESTS):
        try:
            browse.listed(Tx(connection, NOW), listing, Codec(), query, 10, None, lambda: False)
        except search.SearchError as problem:
            assert "leave it out" in problem.what  # noqa: PT017  it need not be raised


@given(text=QUERIES, most=st.integers(1, 40), hurry=st.booleans())
def test_a_bulk_action_picks_the_same_deliveries_from_the_other_end(
    filled: tuple[apsw.Connection, list[dict[str, Any]]], text: str, most: int, hurry: bool
) -> None:
    connection, known = filled
    now = NOW + 37 * 60
    choice = pick.choose(text, (), now)
    picked: list[int] = []
    events = position = 0
    while True:
        bite = pick.pick_deliveries(Tx(connection, now), choice, position, Codec(), lambda: hurry, most)
        assert bite.events <= most
        picked += [line.id for line in bite.lines]
        events += bite.events
        if bite.ended:
            break
        assert bite.position > position
        position = bite.position
    wanted = [(row["id"], one["id"]) for row in known for one in row["deliveries"] if by_hand(choice.query, row, one)]
    assert picked == [delivery for _, delivery in wanted]
    assert events == len({event for event, _ in wanted})


@given(st.text() | st.binary(max_size=20).map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")))
def test_a_cursor_is_read_or_refused(text: str) -> None:
    try:
        cursor = Cursor.load(text)
    except CursorError:
        return
    assert Cursor.load(cursor.dump()) == cursor


@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1))
def test_a_cursor_reads_as_it_was_written(event: int, delivery: int) -> None:
    assert Cursor.load(Cursor(event, delivery).dump()) == Cursor(event, delivery)
