"""What people change: deliveries that shall not run, and destinations that shall wait."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hookline.model import State
from hookline.store.records import WorkerRow
from hookline.store.rollup import Rollup
from hookline.store.sqlite.accept import text
from hookline.store.sqlite.claim import lost_attempt
from hookline.store.sqlite.order import leave
from hookline.store.sqlite.pick import Line
from hookline.store.sqlite.requeue import STATES, add_to_events, save
from hookline.store.sqlite.tokens import write_audit
from hookline.store.sqlite.tx import Tx

CANCELLABLE = (State.PENDING.value, State.NEEDS_REVIEW.value)

ALIVE = 60.0
"""Seconds after which a worker that has said nothing counts as gone."""


def cancel(tx: Tx, lines: Sequence[Line], reason: str) -> int:
    """End them: nothing is tried again until somebody replays them. A running attempt is fenced off, so what it comes
    to is not written: its row says that nobody knows. Returns how many; those that have ended meanwhile are left
    alone."""
    rollup = Rollup(tx.now)
    changes: dict[int, dict[str, int]] = {}
    count = 0
    for line in sorted(lines, key=lambda line: line.id):
        if line.state not in CANCELLABLE:
            continue
        leased = tx.one("leased", id=line.id, state=line.state)
        if leased is not None:
            until = min(tx.now, leased[7])
            tx.bulk("insert_attempts", [lost_attempt(leased, until, text(reason) or "", state=State.CANCELLED.value)])
        rows = tx.run("cancel_delivery", id=line.id, state=line.state, reason=text(reason), now=tx.now)
        for event, destination, ordering_key in rows:
            count += 1
            rollup.moved(destination, line.state, State.CANCELLED.value)
            change = changes.setdefault(event, dict.fromkeys(STATES, 0))
            change[line.state] -= 1
            change[State.CANCELLED.value] += 1
            if ordering_key is not None and leave(tx, destination, ordering_key, line.id):
                tx.woken.add(destination)
    add_to_events(tx, changes)
    save(tx, rollup)
    return count


def pause(tx: Tx, destination: str, reason: str, *, who: str) -> None:
    """Hold its deliveries back: they stay in the queue and use up no attempt. What runs now ends as it ends."""
    tx.run("pause_destination", name=text(destination), reason=text(reason), now=tx.now)
    write_audit(tx, who, "destination paused", destination, {"reason": reason})


def resume(tx: Tx, destination: str, *, who: str) -> None:
    """Let them go again; closes its breaker too."""
    tx.run("resume_destination", name=text(destination), now=tx.now)
    write_audit(tx, who, "destination resumed", destination, {})
    tx.woken.add(destination)


def list_workers(tx: Tx) -> list[WorkerRow]:
    """Those that have been heard of lately."""
    return [
        WorkerRow(name, pid, started_at, seen_at, msgspec.json.decode(destinations))
        for name, pid, started_at, seen_at, destinations in tx.run("list_workers", since=tx.now - ALIVE)
    ]
