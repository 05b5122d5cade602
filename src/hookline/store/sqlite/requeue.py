"""Lets ended deliveries run again: the one way for redelivery, replay and whatever else repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hookline.model import Trigger
from hookline.store.rollup import Rollup
from hookline.store.sqlite.order import Lines
from hookline.store.sqlite.tx import Tx, widened

STATES = ("pending", "succeeded", "failed", "ignored", "needs_review", "cancelled")


class Ended(msgspec.Struct, frozen=True):
    """A delivery that is not pending, as its row says."""

    id: int
    event: int
    destination: str
    state: str
    ordering_key: str | None


def requeue(tx: Tx, ended: Sequence[Ended], trigger: Trigger, *, again: bool = False) -> None:
    """Make them pending and due. ``again`` gives them a new idempotency key. Event counts and roll-ups follow."""
    rollup = Rollup(tx.now)
    lines = Lines(tx)
    changes: dict[int, dict[str, int]] = {}
    for delivery in sorted(ended, key=lambda entry: entry.id):
        turn, head, superseded = None, True, False
        if delivery.ordering_key is not None:
            where = {"destination": delivery.destination, "ordering_key": delivery.ordering_key}
            turn, head = lines.join(delivery.destination, delivery.ordering_key, delivery.id)
            superseded = tx.one("later_of_key", id=delivery.id, **where) is not None
        tx.run(
            "requeue",
            id=delivery.id,
            trigger=trigger.value,
            now=tx.now,
            turn=turn,
            head=int(head),
            superseded=int(superseded),
            again=int(again),
        )
        rollup.moved(delivery.destination, delivery.state, "pending")
        change = changes.setdefault(delivery.event, dict.fromkeys(STATES, 0))
        change[delivery.state] -= 1
        change["pending"] += 1
        tx.woken.add(delivery.destination)
    lines.save()
    add_to_events(tx, changes)
    save(tx, rollup)


def add_to_events(tx: Tx, changes: dict[int, dict[str, int]]) -> None:
    """Add to the counts of events, in id order."""
    for event in sorted(changes):
        tx.run("add_to_event", id=event, **changes[event])


def save(tx: Tx, rollup: Rollup) -> None:
    """Write what a batch has gathered."""
    for statement, values in rollup_statements(rollup, tx.writer):
        tx.connection.execute(statement, values)


def rollup_statements(rollup: Rollup, writer: int) -> Iterator[tuple[str, list[Any]]]:
    """Texts and values that add what a batch has gathered."""
    minute = rollup.minute
    yield from widened("add_counters", [(minute, *key, writer, count) for key, count in rollup.counts.items()])
    yield from widened("add_histograms", [(minute, *key, writer, count) for key, count in rollup.durations.items()])
    rows = [(*key, writer, count) for key, count in rollup.deliveries.items() if count]
    yield from widened("add_delivery_counts", rows)
