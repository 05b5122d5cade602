"""Repeats deliveries: the plan, and the job that carries it out in bites."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from hookline.model import NewDelivery, State, Trigger
from hookline.store.records import Cursor, Found, ReplayOptions, ReplayPlan, ReplayRow
from hookline.store.rollup import Rollup
from hookline.store.sqlite.accept import text
from hookline.store.sqlite.order import Lines
from hookline.store.sqlite.pick import Bite, Line
from hookline.store.sqlite.requeue import STATES, Ended, add_to_events, requeue, save
from hookline.store.sqlite.tokens import write_audit
from hookline.store.sqlite.tx import Tx

REPEATED = (State.FAILED.value, State.NEEDS_REVIEW.value, State.CANCELLED.value)

ADD, REPEAT, AGAIN, FORWARD = "add", "repeat", "again", "forward"
"""What is done with a line; anything else is the reason why it is left out."""


def fate(line: Line, options: ReplayOptions) -> str:
    """What a replay does with a delivery, or in words why it leaves it alone."""
    if line.erased:
        return "erased"
    if line.new is not None:
        return ADD
    if line.state in REPEATED:
        return REPEAT
    if line.state == State.PENDING.value:
        if line.running:
            return "running now"
        return FORWARD if line.waiting else "due already"
    if line.state == State.SUCCEEDED.value:
        return AGAIN if options.again else "succeeded"
    return REPEAT if line.routed else "ignored"


def add_to_plan(plan: ReplayPlan, bite: Bite, options: ReplayOptions) -> None:
    """Count a bite's lines."""
    touched = set()
    for line in bite.lines:
        act = fate(line, options)
        if act not in (ADD, REPEAT, AGAIN, FORWARD):
            plan.left_out[act] = plan.left_out.get(act, 0) + 1
            continue
        touched.add(line.event)
        plan.deliveries += 1
        plan.destinations[line.destination] = plan.destinations.get(line.destination, 0) + 1
        plan.environments[line.environment] = plan.environments.get(line.environment, 0) + 1
    plan.events += len(touched)


def create_replay(tx: Tx, query: str, options: ReplayOptions, total: int, *, who: str) -> ReplayRow:
    """A job that begins with the first :func:`advance_replay`. Its id is above every event that it may touch."""
    [number] = tx.ids(1)
    packed = msgspec.json.encode(options).decode()
    tx.run("create_replay", id=number, now=tx.now, who=who, query=text(query), options=packed, total=total)
    write_audit(
        tx, who, "replayed", query or f"{len(options.only)} chosen", {**msgspec.to_builtins(options), "events": total}
    )
    created = replay_row(tx, number)
    assert created is not None
    return created


def replay_row(tx: Tx, number: int) -> ReplayRow | None:
    rows = _rows(tx.dicts("replay", id=number))
    return rows[0] if rows else None


def list_replays(tx: Tx, limit: int, cursor: Cursor | None) -> Found[ReplayRow]:
    """The newest first."""
    rows = _rows(tx.dicts("list_replays", before=cursor.event if cursor else 1 << 62, limit=limit + 1))
    more = len(rows) > limit
    return Found(data=rows[:limit], next=Cursor(rows[limit - 1].id).dump() if more else None)


def running_replays(tx: Tx) -> list[ReplayRow]:
    return _rows(tx.dicts("running_replays"))


def advance_replay(tx: Tx, job: ReplayRow, bite: Bite) -> bool:
    """Carry a bite out. False where somebody else has gone on from there, or it was stopped: nothing was changed."""
    touched = len({line.event for line in bite.lines if fate(line, job.options) in (ADD, REPEAT, AGAIN, FORWARD)})
    tx.run(
        "advance_replay",
        id=job.id,
        position=bite.position,
        events=touched,
        ended=int(bite.ended),
        now=tx.now,
        **{"from": job.position},
    )
    if not tx.changes():
        return False
    carry_out(tx, bite.lines, job.options)
    return True


def carry_out(tx: Tx, lines: Sequence[Line], options: ReplayOptions) -> None:
    """Each line as it was decided, unless it has changed since it was looked at."""
    # In the order of their arrival, since that is the order in which they line up behind their ordering keys.
    for act, group in groupby(lines, key=lambda line: fate(line, options)):
        match act:
            case "repeat" | "again":
                rows = [tx.one("ended_delivery", id=line.id, state=line.state) for line in group]
                ended = [Ended(*row) for row in rows if row is not None]
                requeue(tx, ended, Trigger.REPLAY, again=act == AGAIN)
            case "forward":
                for line in group:
                    tx.woken |= {row[0] for row in tx.run("bring_forward", id=line.id, now=tx.now)}
            case "add":
                _add(tx, [(line.event, line.new) for line in group if line.new is not None])


def stop_replay(tx: Tx, number: int, *, who: str, error: str = "") -> bool:
    """What it has repeated stays so; False where it had ended."""
    tx.run("stop_replay", id=number, now=tx.now, error=error)
    if not tx.changes():
        return False
    write_audit(tx, who, "replay stopped", str(number), {"error": error})
    return True


def _add(tx: Tx, added: Sequence[tuple[int, NewDelivery]]) -> None:
    """New deliveries of old events."""
    wanted = [(event, new) for event, new in added if tx.one("addable", event=event, destination=new.destination)]
    if not wanted:
        return
    rollup, lines = Rollup(tx.now), Lines(tx)
    changes: dict[int, dict[str, int]] = {}
    rows = []
    for number, (event, new) in zip(tx.ids(len(wanted)), wanted, strict=True):
        turn, head = None, True
        if new.ordering_key is not None:
            turn, head = lines.join(new.destination, new.ordering_key, number)
        rows.append(
            (
                number,
                event,
                text(new.destination),
                text(new.route),
                State.PENDING.value,
                None,
                Trigger.REPLAY.value,
                tx.now,
                tx.now,
                tx.now,
                text(new.ordering_key),
                turn,
                int(head),
            )
        )
        rollup.moved(new.destination, None, State.PENDING.value)
        changes.setdefault(event, dict.fromkeys(STATES, 0))["pending"] += 1
        tx.woken.add(new.destination)
    tx.bulk("insert_deliveries", rows)
    lines.save()
    add_to_events(tx, changes)
    save(tx, rollup)


def _rows(rows: Sequence[dict[str, object]]) -> list[ReplayRow]:
    return [msgspec.convert({**row, "options": msgspec.json.decode(str(row["options"]))}, ReplayRow) for row in rows]
