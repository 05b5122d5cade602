"""Writes what became of claims: the attempt, the delivery's state, its event's counts, its line and its destination."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hookline import pacing
from hookline.model import Settlement, State
from hookline.store.rollup import Rollup
from hookline.store.sqlite.accept import text
from hookline.store.sqlite.claim import load_pace, save_pace
from hookline.store.sqlite.order import leave
from hookline.store.sqlite.requeue import STATES, rollup_statements
from hookline.store.sqlite.tx import Row, Tx, widened

PENDING = State.PENDING
_PLACE = {state: index + 1 for index, state in enumerate(STATES)}


class Plan(msgspec.Struct, frozen=True):
    """A batch of which every lease is still its holder's, as is the rule: statements that need no thought in the thread
    that writes."""

    update: list[tuple[str, list[Any]]]
    rest: list[tuple[str, list[Any]]]


def plan_settle(settlements: Sequence[Settlement], now: float, writer: int) -> Plan | None:
    """None for nothing, or where a delivery comes twice."""
    if not settlements or len({entry.claim.delivery for entry in settlements}) < len(settlements):
        return None
    update = list(widened("settle", [_decided(entry, now) for entry in settlements]))
    return Plan(update, list(_statements(settlements, now, writer)))


def settle(tx: Tx, settlements: Sequence[Settlement], plan: Plan | None = None) -> list[bool]:
    """False where the lease was not the holder's any more: nothing of it was written."""
    if plan is not None and _carry_out(tx, plan, len(settlements)):
        _advance_lines(tx, settlements)
        _learn(tx, settlements)
        return [True] * len(settlements)
    first = {(entry.claim.delivery, entry.claim.lease): entry for entry in reversed(settlements)}
    rows = [_decided(entry, tx.now) for entry in first.values()]
    changed = {
        held
        for statement, values in widened("settle", rows)
        for held in tx.connection.execute(f"{statement} returning deliveries.id, deliveries.lease", values)
    }
    owned = [entry for held, entry in first.items() if held in changed]
    for statement, values in _statements(owned, tx.now, tx.writer):
        tx.connection.execute(statement, values)
    _advance_lines(tx, owned)
    _learn(tx, owned)
    return [
        (held := (entry.claim.delivery, entry.claim.lease)) in changed and first[held] is entry for entry in settlements
    ]


def _carry_out(tx: Tx, plan: Plan, count: int) -> bool:
    """False, and nothing written, if some of the leases were lost."""
    try:
        with tx.savepoint():
            changed = 0
            for statement, values in plan.update:
                tx.connection.execute(statement, values)
                changed += tx.changes()
            if changed != count:
                raise _Lost
    except _Lost:
        return False
    for statement, values in plan.rest:
        tx.connection.execute(statement, values)
    return True


class _Lost(Exception):
    pass


def _statements(owned: Sequence[Settlement], now: float, writer: int) -> Iterator[tuple[str, list[Any]]]:
    """What goes with the deliveries' own rows: attempts, their events' counts, the roll-ups."""
    yield from widened("insert_attempts", [_attempt(entry) for entry in owned])
    yield from widened("settle_events", _event_sums(owned))
    yield from rollup_statements(_counted(owned, now), writer)


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


def _attempt(entry: Settlement) -> Row:
    claim, outcome = entry.claim, entry.outcome
    return (
        claim.delivery,
        claim.tries + 1,  # nobody else has written one: the lease would have changed
        claim.attempt,
        int(entry.counted),
        claim.event_number,
        claim.trigger,
        text(claim.worker),
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


def _event_sums(owned: Sequence[Settlement]) -> list[Row]:
    """Each event's row once, in id order: status comes from these counts, so two workers cannot get it wrong."""
    sums: dict[int, list[int]] = {}
    for entry in owned:
        if entry.state is not PENDING:
            event = entry.claim.event_number
            row = sums.setdefault(event, [event, 0, 0, 0, 0, 0, 0])
            row[_PLACE[PENDING]] -= 1
            row[_PLACE[entry.state]] += 1
    return [tuple(sums[event]) for event in sorted(sums)]


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


def _counted(owned: Sequence[Settlement], now: float) -> Rollup:
    rollup = Rollup(now)
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
    return rollup
