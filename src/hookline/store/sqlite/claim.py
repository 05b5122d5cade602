"""Hands due deliveries to a worker, and takes back those whose holder is gone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import msgspec

from hookline import pacing
from hookline.ids import show
from hookline.model import Claim, Event, Outcome, Settlement, State, Trigger
from hookline.pacing import Limits, Pace
from hookline.store.base import Want
from hookline.store.compress import PLAIN, Codec
from hookline.store.sqlite.tx import Row, Tx

LAPSED = "lease ran out"
DIED = "worker died"

_decode_pace = msgspec.json.Decoder(Pace).decode
_encode_pace = msgspec.json.Encoder().encode


class Leases:
    """Gives each claim of a process a lease end of its own: by it, the claim finds its rows again."""

    def __init__(self) -> None:
        self._last = 0.0

    def until(self, moment: float) -> float:
        self._last = max(moment, math.nextafter(self._last, math.inf))
        return self._last


class Taken(msgspec.Struct, frozen=True, array_like=True):
    """A claimed row, as the statement ``claimed`` lists it."""

    delivery: int
    lease: int
    destination: str
    route: str
    attempts: int
    tries: int
    trigger: Trigger
    first_due_at: float
    crashes: int
    ordering_key: str | None
    superseded: int
    replays: int
    number: int
    source: str
    environment: str
    type: str
    provider_id: str | None
    subject: str | None
    occurred_at: float | None
    received_at: float
    origin: str
    method: str | None
    dictionary: int | None
    target: int | None
    """Bytes of it, as of the next two."""
    content: int | None
    item_dictionary: int | None
    item: int | None


Batch = tuple[list[Taken], bytes]
_decode_taken = msgspec.json.Decoder(list[Taken]).decode


def claim(
    tx: Tx, worker: str, wants: Mapping[str, Want], lease_seconds: float, codec: Codec, leases: Leases
) -> list[Batch]:
    """Reserve what each open destination has due, as far as its slots and limits go. What is returned is for
    :func:`unpack`."""
    batches: list[Batch] = []
    until = leases.until(tx.now + lease_seconds)
    for destination, want in wants.items():
        state, pace = load_pace(tx, destination)
        if state != "open":
            continue
        limits = Limits(want.concurrency, want.rate, want.burst, want.breaker, want.judge)
        places = _places(tx, destination, want.slots, pace, limits)
        if places <= 0:
            continue
        _take_back(tx, destination, places)
        tx.run("claim", destination=destination, until=until, now=tx.now, worker=worker, limit=places)
        count = tx.changes()
        if not count:
            continue
        row = tx.one("claimed", destination=destination, until=until, now=tx.now, worker=worker)
        assert row is not None
        taken = _decode_taken(row[0])
        assert len(taken) == count
        for number in {number for one in taken for number in (one.dictionary, one.item_dictionary) if number}:
            if not codec.knows(number):
                learn_dictionary(tx, codec, number)
        batches.append((taken, row[1]))
        after = pacing.take(pace, limits, count, tx.now)
        if after is not pace:
            save_pace(tx, destination, after)
    return batches


def _places(tx: Tx, destination: str, slots: int, pace: Pace, limits: Limits) -> int:
    counted = limits.concurrency is not None or (limits.breaker and pace.phase is not pacing.Phase.CLOSED)
    held = tx.one("open_claims", destination=destination, now=tx.now) if counted else None
    room = pacing.room(pace, limits, held[0] if held is not None else 0, tx.now)
    return slots if room is None else min(slots, room)


def _take_back(tx: Tx, destination: str, limit: int) -> None:
    """Leases that ran out. Their holder did nothing, so the row says when; the attempt is written for it, uncounted:
    whoever restarts a machine ten times must not use up ten attempts."""
    lapsed = tx.run("lapsed", destination=destination, now=tx.now, limit=limit)
    if lapsed:
        tx.bulk("insert_attempts", [lost_attempt(row, row[7], LAPSED) for row in lapsed])
        tx.many("let_go", [{"id": row[0], "crashed": 0} for row in lapsed])


def bury(tx: Tx, worker: str, running: Collection[tuple[int, int]]) -> int:
    """A worker is dead: what it held is due at once. ``running`` are the (delivery, lease) that it was working on at
    that moment: those count a crash. Returns how many were taken back."""
    held = tx.run("leases_of", worker=worker)
    if held:
        crashed = [int((row[0], row[8]) in running) for row in held]
        pairs = list(zip(held, crashed, strict=True))
        tx.bulk("insert_attempts", [lost_attempt(row, tx.now, DIED, unknown) for row, unknown in pairs])
        tx.many("let_go", [{"id": row[0], "crashed": number} for row, number in pairs])
        tx.woken |= {row[9] for row in held}
    return len(held)


def lost_attempt(row: Row, finished_at: float, reason: str, unknown: int = 1, state: str = "pending") -> Row:
    """The attempt row of a try that nobody reported: its effect may have happened, unless it had not begun."""
    delivery, event, attempts, tries, trigger, worker, leased_at = row[:7]
    return (
        delivery,
        tries + 1,
        attempts + 1,
        0,
        event,
        trigger,
        worker or "",
        leased_at or finished_at,
        finished_at,
        state,
        reason,
        None,
        unknown,
        None,
        None,
        None,
    )


def load_pace(tx: Tx, destination: str) -> tuple[str, Pace]:
    """A destination's state (``open`` or ``paused``) and pace; one that has no row yet is open."""
    row = tx.one("destination", name=destination)
    if row is None:
        return "open", Pace()
    return row[0], _decode_pace(row[1]) if row[1] is not None else Pace()


def save_pace(tx: Tx, destination: str, pace: Pace) -> None:
    tx.bulk("save_pace", [(destination, tx.now, _encode_pace(pace).decode())])


def learn_dictionary(tx: Tx, codec: Codec, number: int) -> None:
    row = tx.one("dictionary", id=number)
    if row is not None:
        codec.learn(number, row[0], row[1])


def renew(tx: Tx, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
    """Prolong leases that are still the holder's."""
    kept = []
    for delivery, lease in claims:
        tx.run("renew", id=delivery, lease=lease, until=tx.now + lease_seconds)
        kept.append(tx.changes() == 1)
    return kept


def next_due(tx: Tx, destinations: Sequence[str]) -> float | None:
    """When the next of these has something to do, by its retry's time or a lease's end; None for nothing at all."""
    moments = [
        row[0]
        for destination in destinations
        for statement in ("next_due", "next_lapse")
        if (row := tx.one(statement, destination=destination)) is not None and row[0] is not None
    ]
    return min(moments, default=None)


def unpack(codec: Codec, batches: Sequence[Batch], worker: str, now: float) -> tuple[list[Claim], list[Settlement]]:
    """Claims from what :func:`claim` returned: the slow part, done without the lock. One that cannot be read must not
    keep the others up each time its lease runs out: its settlement hands it to a person."""
    claims, unreadable = [], []
    for taken, data in batches:
        at = 0
        for one in taken:
            parts = []
            for size in (one.target, one.content, one.item):
                parts.append(data[at : at + size] if size is not None else None)
                at += size or 0
            try:
                claims.append(_claim(codec, worker, one, *parts))
            except Exception as problem:  # whatever a damaged blob makes of itself
                unreadable.append(_unreadable(_claim(codec, worker, one, None, None, None), problem, now))
    return claims, unreadable


def _unreadable(claim: Claim, problem: Exception, now: float) -> Settlement:
    reason = f"cannot be read: {type(problem).__name__}: {problem}"
    state = State.NEEDS_REVIEW
    outcome = Outcome(state=state, reason=reason)
    return Settlement(
        claim=claim, outcome=outcome, state=state, reason=reason, started_at=now, finished_at=now, counted=False
    )


def _claim(
    codec: Codec, worker: str, one: Taken, target: bytes | None, packed: bytes | None, item: bytes | None
) -> Claim:
    content = codec.content(one.dictionary or PLAIN, packed)
    shown = show("evt", one.number)
    event = Event(
        id=shown,
        source=one.source,
        environment=one.environment,
        type=one.type,
        provider_id=one.provider_id,
        subject=one.subject,
        occurred_at=one.occurred_at,
        received_at=one.received_at,
        raw=content.body,
        item=codec.unpack(one.item_dictionary or PLAIN, item) if item is not None else content.body,
        headers=content.headers,
        method=one.method or "POST",
        target=target or b"",
        origin=one.origin,
        attempt=one.attempts + 1,
        idempotency_key=idempotency_key(shown, one.destination, one.replays),
        superseded=bool(one.superseded),
    )
    return Claim(
        delivery=one.delivery,
        lease=one.lease,
        destination=one.destination,
        route=one.route,
        event=event,
        event_number=one.number,
        attempt=one.attempts + 1,
        trigger=one.trigger,
        first_due_at=one.first_due_at,
        crashes=one.crashes,
        ordering_key=one.ordering_key,
        tries=one.tries,
        worker=worker,
    )


def idempotency_key(event: str, destination: str, replays: int) -> str:
    """The same for every attempt and replay of a delivery; new when somebody asks for it to happen once more."""
    return f"{event}:{destination}:{replays + 1}" if replays else f"{event}:{destination}"
