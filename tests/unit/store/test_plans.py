"""The statements of the walk find their rows by an index, however many there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hookline.store.sqlite.connect import connect
from hookline.store.sqlite.migrate import migrate
from hookline.store.sqlite.queries import queries
from hookline.store.sqlite.tx import widened

GROWING = ("requests", "events", "deliveries", "attempts", "items", "keys", "key_pages", "d", "e", "r", "i")

BY_NAME = {
    "fresh_hashes": "INTEGER PRIMARY KEY",
    "key_page": "key_pages_at",
    "failed_deliveries": "deliveries_event",
    "claim": "deliveries_due",
    "claimed": "deliveries_leased",
    "open_claims": "deliveries_leased",
    "lapsed": "deliveries_leased",
    "leases_of": "deliveries_leased",
    "next_due": "deliveries_due",
    "next_lapse": "deliveries_leased",
    "next_in_line": "deliveries_waiting",
    "later_of_key": "deliveries_ordered",
    "renew": "INTEGER PRIMARY KEY",
    "let_go": "INTEGER PRIMARY KEY",
    "requeue": "INTEGER PRIMARY KEY",
}


class _Anything(dict[str, None]):
    def __missing__(self, key: str) -> None:
        return None


def plan(path: Path, text: str, values: object) -> str:
    connection = connect(path)
    try:
        migrate(connection, path, 0.0)
        rows = connection.execute(f"explain query plan {text}", values).fetchall()
        return "\n".join(row[3] for row in rows)
    finally:
        connection.close()


@pytest.mark.parametrize("name", BY_NAME)
def test_a_statement_of_the_walk_goes_by_its_index(path: Path, name: str) -> None:
    found = plan(path, queries()[name], _Anything())
    assert BY_NAME[name] in found
    assert not re.search(rf"SCAN ({'|'.join(GROWING)})\b(?! USING INDEX deliveries_leased)", found), found


@pytest.mark.parametrize("name", ["settle", "settle_events"])
@pytest.mark.parametrize("count", [1, 5, 64])
def test_a_batch_is_looked_up_row_by_row(path: Path, name: str, count: int) -> None:
    width = queries()[name].count("?")
    [(text, values)] = widened(name, [(1,) * width] * count)
    assert len(values) == width * (1 if count == 1 else -(-count // 8) * 8)
    found = plan(path, text, values)
    assert "SEARCH" in found
    assert "INTEGER PRIMARY KEY" in found
    assert not re.search(rf"SCAN ({'|'.join(GROWING)})\b", found), found


def test_rows_are_handed_over_in_steps_and_none_is_lost() -> None:
    for count in (0, 1, 2, 8, 9, 63, 64, 65, 200):
        rows = [(f"name {number}", number) for number in range(count)]
        found = [value for _, values in widened("insert_items", [(n, 0, b"") for _, n in rows]) for value in values]
        assert [value for value in found[::3] if value is not None] == list(range(count))
