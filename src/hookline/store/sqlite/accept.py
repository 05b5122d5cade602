"""Writes what arrived: new events with their deliveries, duplicates counted, impostors of a known id held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import apsw
import msgspec

from hookline.ids import IdMaker
from hookline.model import Arrival, NewEvent, Origin, Receipt, RequestOutcome, State, Trigger
from hookline.store.compress import Codec, content
from hookline.store.rollup import Rollup
from hookline.store.sqlite.keys import KeyBook, Known, body_hash, key_hash, record
from hookline.store.sqlite.order import Lines
from hookline.store.sqlite.requeue import Ended, requeue, rollup_statements, save
from hookline.store.sqlite.tx import Row, Tx, widened

KEY_SECONDS = 45 * 86_400.0
"""How long an id counts where its event does not say."""

SAME_ID = "same id, other body"
REPLAYED = "replayed body"

DATA_ERRORS = (
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    apsw.RangeError,
    ValueError,
    TypeError,
    OverflowError,
)
"""What is wrong with an arrival is wrong for it alone."""

_TRIGGERS = {Origin.TRIGGER: Trigger.TRIGGER, Origin.RECONCILE: Trigger.RECONCILE}


class Packed(msgspec.Struct, frozen=True):
    """An arrival, made ready for its rows without holding the lock."""

    arrival: Arrival
    dictionary: int
    content: bytes
    """For a new event."""
    items: list[bytes | None]
    keys: list[bytes]
    bodies: list[bytes | None]


def pack(codec: Codec, arrival: Arrival) -> Packed | Exception:
    """Compress and hash. Returns, never raises, what is wrong with the data."""
    try:
        request, source = arrival.request, arrival.source
        own = [event.body for event in arrival.events if event.body is not None]
        dictionary, parts = codec.pack(source, content(request.headers, request.body), *own)
        rest = iter(parts[1:])
        for event in arrival.events:
            if len(event.digest) != 16:
                raise ValueError(f"a digest has 16 bytes, not {len(event.digest)}")
        return Packed(
            arrival=arrival,
            dictionary=dictionary,
            content=parts[0],
            items=[next(rest) if event.body is not None else None for event in arrival.events],
            keys=[key_hash(source, event.key) for event in arrival.events],
            bodies=[body_hash(source, event.digest) if event.body_key else None for event in arrival.events],
        )
    except DATA_ERRORS as problem:
        return problem


class Plan(msgspec.Struct, frozen=True):
    """A batch of which all is new, as far as we knew: statements that need no thought in the thread that writes.

    Two threads that both run Python take turns of it, and each turn costs more than what is done in it. So the rows are
    made where the requests are read, and the other thread mostly does what needs no Python: SQLite and the disk.
    """

    version: int
    """Of the book that it was made by."""
    first_id: int
    last_id: int
    hashes: list[bytes]
    doubtful: list[tuple[int, bytes]]
    statements: list[tuple[str, list[Any]]]
    receipts: list[Receipt | Exception]
    woken: set[str]


def plan(packed: Sequence[Packed | Exception], book: KeyBook, ids: IdMaker, now: float, writer: int) -> Plan | None:
    """The plan for a batch, or None where it takes a look into the store: a known key, an ordering key, bad data."""
    batch = [entry for entry in packed if isinstance(entry, Packed)]
    if len(batch) < len(packed) or not batch:
        return None
    version = book.version
    hashes = [
        hashed for entry in batch for pair in zip(entry.keys, entry.bodies, strict=True) for hashed in pair if hashed
    ]
    if len(set(hashes)) < len(hashes):  # the batch repeats itself
        return None
    doubtful = book.seems_new(hashes)
    if doubtful is None or any(
        delivery.ordering_key is not None
        for entry in batch
        for event in entry.arrival.events
        for delivery in event.deliveries
    ):
        return None
    count = ids_needed(batch)
    numbers = ids.take(now, count, above=book.highest)
    rows = _Rows(batch, {}, numbers, now)
    receipts: list[Receipt | Exception] = [rows.add(entry) for entry in batch]
    return Plan(
        version=version,
        first_id=numbers[0],
        last_id=numbers[-1],
        hashes=hashes,
        doubtful=doubtful,
        statements=[*rows.statements(), *rollup_statements(rows.rollup, writer)],
        receipts=receipts,
        woken=rows.woken,
    )


def accept(
    tx: Tx, packed: Sequence[Packed | Exception], book: KeyBook, plan: Plan | None = None
) -> list[Receipt | Exception]:
    """One receipt, or what is wrong, for each. A data error that only SQLite sees costs the batch a second go."""
    if plan is not None and book.confirm(tx, plan.version, plan.first_id, plan.hashes, plan.doubtful):
        try:
            with tx.savepoint():
                return _carry_out(tx, plan, book)
        except DATA_ERRORS:
            pass
    good = [entry for entry in packed if isinstance(entry, Packed)]
    receipts: Iterator[Receipt | Exception]
    try:
        with tx.savepoint():
            receipts = iter(_write(tx, good, book))
    except DATA_ERRORS:
        receipts = iter([_write_one(tx, entry, book) for entry in good])
    book.catch_up(tx)  # with what we wrote: the next batch may then be planned again
    return [next(receipts) if isinstance(entry, Packed) else entry for entry in packed]


def _carry_out(tx: Tx, plan: Plan, book: KeyBook) -> list[Receipt | Exception]:
    for statement, values in plan.statements:
        tx.connection.execute(statement, values)
    tx.woken |= plan.woken
    tx.after_commit(lambda: book.wrote(plan.hashes, plan.last_id))
    return plan.receipts


def ids_needed(batch: Sequence[Packed]) -> int:
    return sum(1 + len(entry.keys) + sum([len(event.deliveries) for event in entry.arrival.events]) for entry in batch)


def learn_dictionaries(tx: Tx, codec: Codec) -> None:
    """Use what has been trained since, once that is sure to stay: this very transaction may hold the new one, and an
    event that was compressed with a dictionary whose commit failed could never be opened again."""
    for row in tx.run("new_dictionaries", after=codec.newest):
        tx.after_commit(partial(codec.learn, *row))


def _write_one(tx: Tx, entry: Packed, book: KeyBook) -> Receipt | Exception:
    try:
        with tx.savepoint():
            return _write(tx, [entry], book)[0]
    except DATA_ERRORS as problem:
        return problem


def _write(tx: Tx, batch: Sequence[Packed], book: KeyBook) -> list[Receipt | Exception]:
    known = book.find(tx, [hashed for entry in batch for hashed in (*entry.keys, *filter(None, entry.bodies))])
    rows = _Rows(batch, known, tx.ids(ids_needed(batch)), tx.now, tx, book)
    receipts: list[Receipt | Exception] = [rows.add(entry) for entry in batch]
    for statement, values in rows.statements():
        tx.connection.execute(statement, values)
    if rows.lines is not None:
        rows.lines.save()
    save(tx, rows.rollup)
    tx.woken |= rows.woken
    _count_duplicates(tx, rows.repeated)
    return receipts


def _count_duplicates(tx: Tx, repeated: Sequence[tuple[int, str]]) -> None:
    """Somebody who presses the provider's button for a failed event wants it to run again."""
    for event, on_duplicate in sorted(repeated):
        row = tx.one("count_duplicate", event=event)
        if row is not None and row[0] and on_duplicate == "redeliver":
            failed = [Ended(*found) for found in tx.run("failed_deliveries", event=event)]
            requeue(tx, failed, Trigger.REDELIVERY)


class _Rows:
    """What one batch becomes: rows, receipts and counts. With a transaction it asks the store what it must know;
    without one, all must be new."""

    def __init__(
        self,
        batch: Sequence[Packed],
        known: dict[bytes, Known],
        ids: Sequence[int],
        now: float,
        tx: Tx | None = None,
        book: KeyBook | None = None,
    ) -> None:
        self.known = known
        self.ids = iter(ids)
        self.now = now
        self.tx = tx
        self.book = book
        self.lines = Lines(tx) if tx is not None else None
        self.rollup = Rollup(now)
        self.woken: set[str] = set()
        self.requests: list[Row] = []
        self.events: list[Row] = []
        self.items: list[Row] = []
        self.deliveries: list[Row] = []
        self.keys: list[Row] = []
        self.repeated: list[tuple[int, str]] = []

    def add(self, entry: Packed) -> Receipt:
        arrival, request = entry.arrival, entry.arrival.request
        number = next(self.ids)
        plans = [self._judge(entry, index) for index in range(len(entry.keys))]
        new = [plan for plan in plans if isinstance(plan, _New)]
        outcome = RequestOutcome.ACCEPTED if new or not plans else RequestOutcome.DUPLICATE
        duplicate = outcome is RequestOutcome.DUPLICATE
        self.requests.append(
            (
                number,
                arrival.source,
                arrival.environment,
                outcome,
                request.received_at,
                text(request.peer),
                text(request.method),
                arrival.secret,
                len(request.body),
                plans[0] if duplicate else None,
                None,
                None,
                None,
                entry.dictionary,
                request.target,
                None if duplicate else entry.content,
            )
        )
        self.rollup.count("requests", arrival.source, "", outcome)
        woken: set[str] = set()
        for plan in new:
            woken |= self._add_event(entry, number, plan)
        self.woken |= woken
        events = tuple(plan.id if isinstance(plan, _New) else plan for plan in plans)
        return Receipt(outcome, events, tuple(sorted(woken)))

    def _judge(self, entry: Packed, index: int) -> _New | int:
        """A new event, or the id of the one that this repeats."""
        event, source = entry.arrival.events[index], entry.arrival.source
        hashed, hold, key = entry.keys[index], event.hold, event.key
        known = self.known.get(hashed)
        if known is not None and known.digest != event.digest:
            key, hold = f"{event.key}#{event.digest.hex()}", SAME_ID
            hashed = key_hash(source, key)
            known = self.known.get(hashed)
            if known is None and self.tx is not None and self.book is not None:
                known = self.book.find(self.tx, [hashed]).get(hashed)
        if known is not None:
            self.repeated.append((known.event, entry.arrival.on_duplicate))
            self.rollup.count("events", source, "", "duplicate")
            return known.event
        body = entry.bodies[index]
        if body is not None and body in self.known and hold is None:
            hold = REPLAYED
        number = next(self.ids)
        seconds = KEY_SECONDS if event.key_seconds is None else event.key_seconds
        until = self.now + seconds
        for one in (hashed, body) if body is not None else (hashed,):
            self.known.setdefault(one, Known(number, event.digest, int(until) + 1))
            self.keys.append((record(one, number, event.digest, until),))
        return _New(number, index, key, hold)

    def _add_event(self, entry: Packed, request: int, plan: _New) -> set[str]:
        arrival, event = entry.arrival, entry.arrival.events[plan.index]
        own = entry.items[plan.index]
        waiting = len(event.deliveries)
        state = State.NEEDS_REVIEW if plan.hold is not None else State.PENDING
        self.events.append(
            (
                plan.id,
                request,
                arrival.source,
                arrival.environment,
                text(event.type),
                text(event.provider_id),
                None if plan.key == event.provider_id else text(plan.key),
                text(event.subject),
                event.occurred_at,
                arrival.request.received_at,
                arrival.origin,
                len(arrival.request.body if event.body is None else event.body),
                text(plan.hold),
                text(event.reason),
                waiting if state is State.PENDING else 0,
                waiting if state is State.NEEDS_REVIEW else 0,
            )
        )
        if own is not None:
            self.items.append((plan.id, entry.dictionary, own))
        self._count(arrival, event, state)
        self._add_deliveries(plan, event, state, _TRIGGERS.get(arrival.origin, Trigger.INITIAL))
        return {delivery.destination for delivery in event.deliveries} if state is State.PENDING else set()

    def _add_deliveries(self, plan: _New, event: NewEvent, state: State, trigger: Trigger) -> None:
        now = self.now
        for delivery in event.deliveries:
            number = next(self.ids)
            turn, head = None, True
            if delivery.ordering_key is not None and state is State.PENDING and self.lines is not None:
                turn, head = self.lines.join(delivery.destination, delivery.ordering_key, number)
            self.deliveries.append(
                (
                    number,
                    plan.id,
                    delivery.destination,
                    delivery.route,
                    state,
                    text(plan.hold),
                    trigger,
                    now,
                    now,
                    now,
                    text(delivery.ordering_key),
                    turn,
                    int(head),
                )
            )
            self.rollup.moved(delivery.destination, None, state)

    def _count(self, arrival: Arrival, event: NewEvent, state: State) -> None:
        at_the_door = state if event.deliveries or state is State.NEEDS_REVIEW else State.IGNORED
        self.rollup.count("events", arrival.source, "", at_the_door)
        if event.occurred_at is not None:
            self.rollup.took("lag", arrival.source, "", arrival.request.received_at - event.occurred_at)

    def statements(self) -> list[tuple[str, list[Any]]]:
        """Texts and values of everything but what the store must be asked for."""
        tables = (
            ("insert_requests", self.requests),
            ("insert_events", self.events),
            ("insert_items", self.items),
            ("insert_deliveries", self.deliveries),
            ("insert_fresh_keys", self.keys),
        )
        return [statement for name, rows in tables for statement in widened(name, rows)]


class _New(msgspec.Struct, frozen=True):
    id: int
    index: int
    key: str
    hold: str | None


def text(value: str | None) -> str | None:
    """What a text column can hold: no NUL (other programs stop reading there) and no lone surrogate. Names out of the
    configuration need no such care."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
