"""No query of the walk or of a first page scans a table that grows: SQLite is asked how it would go about each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from hookline import search
from hookline.store.sqlite import browse, find, pick
from hookline.store.sqlite.connect import connect
from hookline.store.sqlite.migrate import migrate
from hookline.store.sqlite.queries import queries

GROWING = ("requests", "events", "items", "deliveries", "attempts", "key_pages", "fresh_keys", "heads")
"""Tables whose scans a big store would feel. Counters and the rest are bounded by roll-up or by configuration."""

SMALL = ("deliveries_leased",)
"""Partial indexes that hold only what is going on now."""

READS_ALL = {
    "check_counts",
    "check_totals",
    "check_heads",
    "check_stuck",
    "check_orphans",
    "check_requests",
    "count_open",
    "restored_events",
    "restored_totals",
    "restored_deliveries",
    "restored_heads",
}
"""``hookline db check`` and ``restore``: their job is to read all of it."""

ORDERED_WALKS = {
    "event_sources": "skips from source to source",
    "fresh_keys_of": "the fresh keys are few (see keyruns.RUN)",
    "fresh_hashes": "begins where it stopped",
    "noted_sources": "the request log is bounded",
}

Q_MARKS = re.compile(r"\?")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = connect(tmp_path / "store.db")
    migrate(opened, tmp_path / "store.db", 1_800_000_000.0)
    yield opened
    opened.close()


def scans(connection: apsw.Connection, sql: str) -> list[str]:
    """The steps of its plan that read a growing table from end to end."""
    names = set(re.findall(r":(\w+)", re.sub(r"'[^']*'", "''", sql)))
    values = dict.fromkeys(names, 1) if names else [1] * len(Q_MARKS.findall(sql))
    steps = [row[3] for row in connection.execute("explain query plan " + sql, values)]
    aliases = {
        alias or table: table for table, alias in re.findall(r"\b(?:from|join)\s+(\w+)(?:\s+as)?(?:\s+(\w+))?", sql)
    }
    found = []
    for step in steps:
        match = re.match(r"SCAN (\w+)", step)
        small = step.endswith(tuple(f"INDEX {index}" for index in SMALL))
        if match and not small and "VIRTUAL TABLE" not in step and aliases.get(match[1], match[1]) in GROWING:
            found.append(step)
    return found


FIXED = sorted(
    name for name, text in queries().items() if "{" not in text and name not in READS_ALL and name not in ORDERED_WALKS
)


@pytest.mark.parametrize("name", FIXED)
def test_a_statement_looks_things_up(connection: apsw.Connection, name: str) -> None:
    assert scans(connection, queries()[name]) == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("", "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("source:stripe type:invoice.*", "events_source (source=? AND id>? AND id<?)"),
        ("status:failed", "events_failed (id>? AND id<?)"),
        ("status:needs_review source:stripe", "events_held (id>? AND id<?)"),
        ("destination:deploy state:failed code:5xx", "events_failed (id>? AND id<?)"),
        ("body.amount:>=1000 since:2h", "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("is:running", "USING INTEGER PRIMARY KEY (rowid=?)"),
        ("id:evt_0000000000001", "USING INTEGER PRIMARY KEY (rowid=?)"),
        ('-source:stripe OR "free text"', "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ],
)
@pytest.mark.parametrize("listing", [browse.LIST_EVENTS, browse.LIST_DELIVERIES], ids=["events", "deliveries"])
def test_a_page_goes_along_an_index(
    connection: apsw.Connection, listing: browse.Listing[object], query: str, index: str
) -> None:
    plan = find.compile(search.parse(query, 1_800_000_000.0), listing.target, 1_800_000_000.0)
    path = listing.path(plan)
    window = browse.along(listing.window, path)
    page = browse.filled(listing.rows, plan, listing.payload, path)
    for sql in (window, page):
        steps = [row[3] for row in connection.execute("explain query plan " + sql, _values(sql))]
        assert re.match(r"SEARCH e .*" + re.escape(index), steps[0]), steps
        assert scans(connection, sql) == []
        assert not any("TEMP B-TREE" in step for step in steps if listing is browse.LIST_EVENTS), steps


@pytest.mark.parametrize(
    "query", ["outcome:rejected source:stripe", "outcome:rejected", "source:stripe", "id:req_0000000000001"]
)
def test_a_page_of_requests_goes_along_an_index(connection: apsw.Connection, query: str) -> None:
    listing = browse.LIST_REQUESTS
    plan = find.compile(search.parse(query, 1_800_000_000.0), listing.target, 1_800_000_000.0)
    sql = browse.filled(listing.rows, plan, listing.payload, listing.path(plan))
    assert scans(connection, sql) == []


@pytest.mark.parametrize("statement", ["find_repeatable", "find_routable"])
@pytest.mark.parametrize("query", ["", "status:failed", "source:stripe body.a:1"])
def test_a_bulk_action_goes_along_an_index(connection: apsw.Connection, statement: str, query: str) -> None:
    target = find.DELIVERIES if statement == "find_repeatable" else find.EVENTS
    plan = find.compile(search.parse(query, 1_800_000_000.0), target, 1_800_000_000.0)
    for choice in (pick.Choice(), pick.Choice(events=(1,), deliveries=(2,))):
        path, only = pick.path_of(choice, plan, target)
        sql = browse.filled(statement, plan, browse.EVENT_PAYLOAD, path).replace("{only}", only)
        assert scans(connection, sql) == []


def _values(sql: str) -> dict[str, int]:
    return dict.fromkeys(re.findall(r":(\w+)", sql), 1)
