"""Writes what became of claims: the attempt, the delivery's state, its event's counts, its line and its destination."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hookline import pacing
from hookline.model import Settlement, State
from hookline.store.rollup import Rollup
from hookline.store.sqlite.accept import text
from hookline.store.sqlite.claim import load_pace, save_pace
from hookline.store.sqlite.order import leave
from hookline.store.sqlite.requeue import STATES, save
from hookline.store.sqlite.tx import Row, Tx

PENDING = State.PENDING
_PLACE = {state: index + 1 for index, state in enumerate(STATES)}


def settle(tx: Tx, settlements: Sequence[Settlement]) -> list[bool]:
    """False where the lease was not the holder's any more: nothing of it was written."""
    first = {(entry.claim.delivery, entry.claim.lease): entry for entry in reversed(settlements)}
    changed = tx.bulk("settle", [_decided(entry, tx.now) for entry in first.values()])
    tries = {(delivery, lease): number for delivery, lease, number in changed}
    owned = [entry for held, entry in first.items() if held in tries]
    if owned:
        tx.bulk("insert_attempts", [_attempt(entry, tries[held]) for held, entry in first.items() if held in tries])
        _add_to_events(tx, owned)
        _advance_lines(tx, owned)
        _learn(tx, owned)
        _count(tx, owned)
    return [
        (held := (entry.claim.delivery, entry.claim.lease)) in tries and first[held] is entry for entry in settlements
    ]


def _decided(entry: Settlement, now: float) -> Row:
    claim = entry.claim
    return (
        claim.delivery,
        claim.lease,
        entry.state,
        text(entry.reason),
        entry.due_at if entry.state is PENDING else None,
        now,
        int(entry.counted),
        entry.outcome.code,
        int(entry.crashed),
    )


def _attempt(entry: Settlement, number: int) -> Row:
    claim, outcome = entry.claim, entry.outcome
    return (
        claim.delivery,
        number,
        claim.attempt,
        int(entry.counted),
        claim.event_number,
        claim.trigger,
        "",
        entry.started_at,
        entry.finished_at,
        entry.state,
        text(entry.reason),
        outcome.code,
        int(outcome.unknown),
        text(outcome.sent) or None,
        outcome.received or None,
        text(outcome.error) or None,
    )


def _add_to_events(tx: Tx, owned: Sequence[Settlement]) -> None:
    """Each event's row once, in id order: status comes from these counts, so two workers cannot get it wrong."""
    sums: dict[int, list[int]] = {}
    for entry in owned:
        if entry.state is not PENDING:
            event = entry.claim.event_number
            row = sums.setdefault(event, [event, 0, 0, 0, 0, 0, 0])
            row[_PLACE["pending"]] -= 1
            row[_PLACE[entry.state]] += 1
    if sums:
        tx.bulk("settle_events", [sums[event] for event in sorted(sums)])


def _advance_lines(tx: Tx, owned: Sequence[Settlement]) -> None:
    ended = sorted(
        (entry.claim.destination, entry.claim.ordering_key, entry.claim.delivery)
        for entry in owned
        if entry.claim.ordering_key is not None and entry.state is not PENDING
    )
    for destination, ordering_key, delivery in ended:
        if leave(tx, destination, ordering_key, delivery):
            tx.woken.add(destination)


def _learn(tx: Tx, owned: Sequence[Settlement]) -> None:
    """Tell each destination's breaker how it did."""
    scores: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for entry in owned:
        if entry.counted:
            scores[entry.claim.destination][_is_bad(entry)] += 1
    for destination in sorted(scores):
        _, pace = load_pace(tx, destination)
        after = pacing.learn(pace, scores[destination][0], scores[destination][1], tx.now)
        if after != pace:
            save_pace(tx, destination, after)


def _is_bad(entry: Settlement) -> bool:
    """Whether the try says that the destination is unwell: it gave no answer, or refused."""
    outcome = entry.outcome
    return outcome.state is None or (outcome.state is State.FAILED and outcome.code is not None)


def _count(tx: Tx, owned: Sequence[Settlement]) -> None:
    rollup = Rollup(tx.now)
    for entry in owned:
        claim, event = entry.claim, entry.claim.event
        state = entry.state
        rollup.moved(claim.destination, "pending", state)
        if not entry.counted:
            continue
        rollup.count("attempts", event.source, claim.destination, "retry" if entry.state is PENDING else state)
        rollup.took("took", event.source, claim.destination, entry.finished_at - entry.started_at)
        if claim.attempt == 1:
            rollup.took("wait", event.source, claim.destination, entry.started_at - claim.first_due_at)
    save(tx, rollup)
