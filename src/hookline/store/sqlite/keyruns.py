"""Sorts dedupe keys into runs and merges those, in bites: the lock is held for a few milliseconds at a time.

The newest 32 thousand become a run of level 0; four runs of a level become one of the next. Only one process does it
at a time, by a lock; a run that somebody left half built is dropped.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby

from hookline.store.sqlite.keys import RECORD, Filter
from hookline.store.sqlite.tx import Transactions, Tx

RUN = 32_768
"""Fresh keys that make a run."""
FAN = 4
"""Runs of a level that make one of the next. More of them would be merged less often and asked more often: with four,
there are five to eight filters to ask at ten million keys."""
PAGE = 100
"""Records in a row: with the rest of it, one page of the file."""
BITE = 40
"""Rows written, or read, at a time."""


async def tidy_keys(store: Transactions, *, run: int = RUN) -> int:
    """Sort and merge what is due; returns how many runs were built. Stopping it anywhere loses nothing. The caller sees
    to it that nobody else does it at the same time."""
    await _drop(store, await store.read(_abandoned))
    built = 0
    while (last := await store.read(_due, run)) is not None:
        await _sort(store, last)
        built += 1
    while runs := await store.read(_mergeable):
        await _merge(store, runs)
        built += 1
    return built


def _abandoned(tx: Tx) -> list[int]:
    """Runs that somebody began and did not finish, and runs that were merged and not yet deleted."""
    return [row[0] for row in tx.run("dead_runs")]


def _due(tx: Tx, size: int) -> int | None:
    """The number of the last fresh key of the next run, or None while there are too few."""
    row = tx.one("fresh_span")
    if row is None or row[0] is None or row[1] - row[0] <= size:
        return None
    return int(row[0] + size - 1)


async def _sort(store: Transactions, last: int) -> None:
    records = await store.read(lambda tx: [row[0] for row in tx.run("fresh_records", last=last)])
    now = await store.read(lambda tx: tx.now)
    builder = await _Builder.begin(store, 0, len(records))
    for record in _newest(sorted(records), now):
        await builder.add(record)
    await builder.finish([])
    while await store.write(_forget_fresh, last):
        pass


def _forget_fresh(tx: Tx, last: int) -> int:
    tx.run("forget_fresh", last=last, limit=4_000)
    return tx.changes()


def _mergeable(tx: Tx) -> list[tuple[int, int, int]]:
    """(run, level, count) of the four runs of the lowest level that has so many."""
    rows = tx.run("runs_by_level")
    for _, group in groupby(rows, key=lambda row: row[1]):
        same: list[tuple[int, int, int]] = [(row[0], row[1], row[2]) for row in group]
        if len(same) >= FAN:
            return same[:FAN]
    return []


async def _merge(store: Transactions, runs: list[tuple[int, int, int]]) -> None:
    now = await store.read(lambda tx: tx.now)
    builder = await _Builder.begin(store, runs[0][1] + 1, sum(row[2] for row in runs))
    merging = _Merging(store, [row[0] for row in runs])
    while records := await merging.next():
        for record in _newest(records, now):
            await builder.add(record)
    numbers = [row[0] for row in runs]
    await builder.finish(numbers)
    await _drop(store, numbers)


def _newest(records: list[bytes], now: float) -> Iterator[bytes]:
    """Of each hash the last (records of a hash sort by age), without what has expired."""
    for _, same in groupby(records, key=lambda record: record[:8]):
        *_, last = same
        if RECORD.unpack(last)[3] > now:
            yield last


class _Merging:
    """Several runs as one ascending stream, read a bite at a time."""

    def __init__(self, store: Transactions, runs: list[int]) -> None:
        self._store = store
        self._waiting: dict[int, list[bytes]] = {run: [] for run in runs}
        self._read_to: dict[int, bytes] = dict.fromkeys(runs, b"")

    async def next(self) -> list[bytes]:
        """The next records, complete for every hash among them; empty at the end."""
        for run, waiting in list(self._waiting.items()):
            if not waiting and not await self._fill(run):
                del self._waiting[run]
        if not self._waiting:
            return []
        # What is below the smallest of the last hashes read cannot be preceded by anything unread.
        safe = min(waiting[-1][:8] for waiting in self._waiting.values())
        parts = []
        for run, waiting in self._waiting.items():
            cut = len(waiting)
            while cut and waiting[cut - 1][:8] > safe:
                cut -= 1
            parts.append(waiting[:cut])
            self._waiting[run] = waiting[cut:]
        return list(heapq.merge(*parts))

    async def _fill(self, run: int) -> bool:
        pages = await self._store.read(lambda tx: tx.run("run_pages", run=run, after=self._read_to[run], limit=BITE))
        for first, data in pages:
            self._waiting[run] += [data[at : at + RECORD.size] for at in range(0, len(data), RECORD.size)]
            self._read_to[run] = first
        return bool(pages)


class _Builder:
    """A run that is being written; readers see it once it is whole."""

    def __init__(self, store: Transactions, run: int, expected: int) -> None:
        self._store = store
        self._run = run
        self._filter = Filter.of(max(expected, 1))
        self._records: list[bytes] = []
        self._count = 0
        self._expires_at = 0

    @classmethod
    async def begin(cls, store: Transactions, level: int, expected: int) -> _Builder:
        def start(tx: Tx) -> int:
            row = tx.one("begin_run", level=level)
            assert row is not None
            return int(row[0])

        return cls(store, await store.write(start), expected)

    async def add(self, record: bytes) -> None:
        self._records.append(record)
        if len(self._records) == PAGE * BITE:
            await self._flush()

    async def _flush(self) -> None:
        records, self._records = self._records, []
        if not records:
            return
        self._filter.add(record[:8] for record in records)
        self._count += len(records)
        self._expires_at = max(self._expires_at, max(RECORD.unpack(record)[3] for record in records))
        pages = [records[at : at + PAGE] for at in range(0, len(records), PAGE)]
        rows = [(self._run, page[0][:8], b"".join(page)) for page in pages]
        await self._store.write(lambda tx: tx.bulk("insert_key_pages", rows))

    async def finish(self, replaced: list[int]) -> None:
        """Make it count, in one transaction with the end of those that it replaces."""
        await self._flush()

        def go_live(tx: Tx) -> None:
            tx.run(
                "finish_run",
                run=self._run,
                count=self._count,
                expires_at=float(self._expires_at),
                filter=self._filter.dump(),
            )
            assert tx.changes() == 1, "somebody else dropped a run that was being built"
            for run in replaced:
                tx.run("retire_run", run=run)

        await self._store.write(go_live)


async def _drop(store: Transactions, runs: list[int]) -> None:
    """Delete in bites what no reader asks any more."""

    def bite(tx: Tx, run: int) -> bool:
        tx.run("delete_key_pages", run=run, limit=BITE * 10)
        if tx.changes():
            return True
        tx.run("delete_run", run=run)
        return False

    for run in runs:
        while await store.write(bite, run):
            pass
