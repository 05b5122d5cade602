"""Lets go of what is old enough, and erases what must be gone now. Both in bites: each is one short transaction.

An event with an open delivery stays however old it is; one that failed or needs review stays until nobody has touched
it for long enough. Dedupe keys outlive their events (see keyruns.py), so that a late retry stays a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hookline import ids
from hookline.store.compress import Codec
from hookline.store.records import Dropped, Keep
from hookline.store.rollup import Rollup
from hookline.store.sqlite.control import cancel
from hookline.store.sqlite.pick import Choice, pick_deliveries
from hookline.store.sqlite.requeue import save
from hookline.store.sqlite.tx import Transactions, Tx

BITE = 200
"""Events, or ten times as many rows of other tables, in one transaction."""
DICTIONARY_GRACE = 86_400.0
"""A process may compress with a dictionary for a while after another has followed it."""
GONE_WORKER = 3_600.0


async def retain(store: Transactions, keep: Keep, now: float) -> Dropped:
    """One sweep over everything that may be old. Stopping it anywhere loses nothing: the next one goes on."""
    dropped = Dropped()
    after = 0
    upto = ids.first_at(now - keep.events)
    while True:
        done = await store.write(_drop_events, after, upto, now - keep.failed)
        dropped.events += done.dropped
        if done.last is None:
            break
        after = done.last
    for source in await store.read(lambda tx: [row[0] for row in tx.run("noted_sources")]):
        dropped.requests += await _until_none(
            store, "delete_old_noted", source=source, upto=ids.first_at(now - keep.rejected)
        )
    minute = int((now - keep.statistics) // 60)
    for statement in ("delete_old_counters", "delete_old_histograms"):
        await _until_none(store, statement, minute=minute)
    for statement in ("delete_old_audit", "delete_old_replays"):
        await _until_none(store, statement, upto=ids.first_at(now - keep.statistics))
    await store.write(_drop_leftovers, now)
    return dropped


async def erase(store: Transactions, events: Sequence[int]) -> int:
    """Remove bodies, headers, senders' addresses, answers, reasons, ordering keys and tracebacks of these events,
    whatever is open. Their ids and digests stay, so that a late retry does not bring them back. Returns how many there
    were."""
    erased = 0
    for first in range(0, len(events), BITE):
        erased += await store.write(_erase, list(events[first : first + BITE]))
    return erased


class _Bite(msgspec.Struct, frozen=True):
    last: int | None
    """The last event looked at; None at the end of the sweep."""
    dropped: int


def _drop_events(tx: Tx, after: int, upto: int, untouched_since: float) -> _Bite:
    rows = tx.run("old_events", after=after, upto=upto, limit=BITE)
    if not rows:
        return _Bite(None, 0)
    old = [
        (number, request)
        for number, request, _source, trouble, changed_at, pending in rows
        if not pending and not (trouble and changed_at >= untouched_since)
    ]
    if old:
        events = _json([number for number, _ in old])
        rollup = Rollup(tx.now)
        for destination, state, count in tx.run("deliveries_by_state", events=events):
            rollup.deliveries[destination, state] -= count
        for statement in ("delete_attempts_of", "delete_deliveries_of", "delete_items", "delete_events"):
            tx.run(statement, events=events)
        tx.run("delete_orphaned_requests", requests=_json(sorted({request for _, request in old})))
        save(tx, rollup)
    return _Bite(rows[-1][0], len(old))


async def _until_none(store: Transactions, statement: str, **values: object) -> int:
    def bite(tx: Tx) -> int:
        tx.run(statement, limit=BITE * 10, **values)
        return tx.changes()

    total = 0
    while count := await store.write(bite):
        total += count
    return total


def _drop_leftovers(tx: Tx, now: float) -> None:
    tx.run("delete_gone_workers", before=now - GONE_WORKER)
    row = tx.one("oldest_row")
    oldest = now if row is None or row[0] is None else float(row[0])
    tx.run("delete_unused_dictionaries", before=oldest - DICTIONARY_GRACE)


def _erase(tx: Tx, events: list[int]) -> int:
    open_ones = pick_deliveries(tx, Choice(events=tuple(events)), 0, Codec(), lambda: False)
    cancel(tx, open_ones.lines, "erased")  # what has no content cannot be delivered
    text = _json(events)
    requests = _json([row[0] for row in tx.run("requests_of", events=text)])
    tx.run("erase_bodies", requests=requests)
    for statement in ("erase_items", "erase_attempts", "erase_deliveries", "erase_events"):
        tx.run(statement, events=text)
    return tx.changes()


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()
