"""Fills a store in bulk: rows like those that the door and a worker wrote for real events, under ids of the past."""

from __future__ import annotations

import random
import time
from pathlib import Path

import apsw

from hookline import ids
from hookline.store.sqlite import keyruns, keys

_DAYS = 20
"""The past that is filled: well within what retention keeps."""
_CHUNK = 50_000


def multiply(database: Path, count: int, *, pending: bool = False) -> None:
    """Add ``count`` events with their request, delivery and (unless ``pending``) attempt, and their dedupe keys.

    The store must hold some settled events already, and nobody may have it open: they are the rows that are repeated.
    """
    connection = apsw.Connection(str(database))
    try:
        for pragma in ("synchronous = off", "cache_size = -400000", "temp_store = 2", "wal_autocheckpoint = 20000"):
            connection.execute(f"pragma {pragma}")
        _Filler(connection, count, pending).fill()
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.execute("pragma optimize")
    finally:
        connection.close()


class _Filler:
    def __init__(self, connection: apsw.Connection, count: int, pending: bool) -> None:
        self.connection = connection
        self.count = count
        self.pending = pending
        self.now = time.time()
        self.base = ids.first_at(self.now - _DAYS * 86_400)
        self.step = max(1, (ids.first_at(self.now - 86_400) - self.base) // count)

    def fill(self) -> None:
        self._keep_examples()
        when = f"{self.now - _DAYS * 86_400} + i * {(_DAYS - 1) * 86_400 / self.count}"
        number = f"{self.base} + i * {self.step}"
        state = "pending" if self.pending else "succeeded"
        changes: dict[str, dict[str, str]] = {
            "requests": {"id": number, "received_at": when},
            "events": {
                "id": number,
                "request": number,
                "received_at": when,
                "provider_id": "'filled-' || i",
                "key": "null",
                "pending": str(int(self.pending)),
                "succeeded": str(int(not self.pending)),
            },
            "deliveries": {
                "id": number,
                "event": number,
                "state": f"'{state}'",
                "due_at": when,
                "first_due_at": when,
                "changed_at": when,
                "lease_until": "null",
                **({"lease": "0", "attempts": "0", "tries": "0", "leased_at": "null"} if self.pending else {}),
            },
        }
        if not self.pending:
            changes["attempts"] = {"delivery": number, "event": number, "started_at": when, "finished_at": when}
        for start in range(0, self.count, _CHUNK):
            with self.connection:
                for table, changed in changes.items():
                    self._repeat(table, changed, start, min(start + _CHUNK, self.count))
        with self.connection:
            self._count(state)
            self._keys()

    def _keep_examples(self) -> None:
        """Some settled events as temporary tables, numbered from 0."""
        settled = "select id from events where succeeded = 1 and pending = 0 order by id desc limit 500"
        for table, where in (
            ("requests", f"id in (select request from events where id in ({settled}))"),
            ("events", f"id in ({settled})"),
            ("deliveries", f"event in ({settled})"),
            ("attempts", f"try = 1 and event in ({settled})"),
        ):
            self.connection.execute(
                f"create temp table example_{table} as"
                f" select row_number() over () - 1 as n, * from {table} where {where}"
            )
        self.examples = self.connection.execute("select count(*) from example_deliveries").get
        if not self.examples:
            raise RuntimeError("no settled event to repeat")

    def _repeat(self, table: str, changed: dict[str, str], start: int, end: int) -> None:
        columns = [row[1] for row in self.connection.execute(f"pragma table_info({table})")]
        values = ", ".join(changed.get(column, f"x.{column}") for column in columns)
        self.connection.execute(
            f"with recursive n(i) as (select {start} union all select i + 1 from n where i < {end - 1})"
            f" insert into {table} ({', '.join(columns)}) select {values} from n"
            f" cross join example_{table} x on x.n = i % {self.examples}"
        )

    def _count(self, state: str) -> None:
        self.connection.execute(
            "insert into delivery_counts (destination, state, writer, count)"
            " select destination, ?, 0, count(*) * ? / ? from example_deliveries group by destination"
            " on conflict do update set count = count + excluded.count",
            (state, self.count, self.examples),
        )

    def _keys(self) -> None:
        """The dedupe keys as the background job leaves them: two of an event, in sorted runs of growing size."""
        chance = random.Random(5)
        expires = self.now + 30 * 86_400
        left = 2 * self.count
        while left:
            level = max((level for level in range(9) if keyruns.RUN * keyruns.FAN**level <= left), default=0)
            size = min(left, keyruns.RUN * keyruns.FAN**level)
            left -= size
            hashes = sorted(chance.randbytes(8) for _ in range(size))
            held = keys.Filter.of(size)
            held.add(hashes)
            run = self.connection.execute(
                "insert into key_runs (level, state, count, expires_at, filter) values (?, 'live', ?, ?, ?)"
                " returning run",
                (level, size, expires, held.dump()),
            ).get
            records = [
                keys.record(each, self.base + place * self.step, bytes(16), expires)
                for place, each in enumerate(hashes)
            ]
            pages = (records[at : at + keyruns.PAGE] for at in range(0, size, keyruns.PAGE))
            self.connection.executemany(
                "insert into key_pages (run, first, records) values (?, ?, ?)",
                ((run, page[0][:8], b"".join(page)) for page in pages),
            )
