"""What a bulk action is about: walks the deliveries (or events) of a query or of a list of ids upwards, in bites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hookline import ids, search
from hookline.model import NewDelivery, Request, VerifiedEvent
from hookline.routing import Reader, reader
from hookline.store.base import Route
from hookline.store.compress import Codec
from hookline.store.sqlite import browse, find
from hookline.store.sqlite.browse import Over
from hookline.store.sqlite.find import Plan, Target
from hookline.store.sqlite.tx import Tx

MOST = 256
"""Events of a bite: what one transaction repeats, so that nobody at the door waits for it."""
WINDOW = 4_096
"""Events looked at for one."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which ones: a query, or some by their numbers."""

    query: search.Node = search.EVERYTHING
    events: tuple[int, ...] | None = None
    deliveries: tuple[int, ...] | None = None
    below: int = find.END
    """Events with this id or a later one are left alone: they came after somebody decided."""

    @property
    def listed(self) -> bool:
        return self.events is not None or self.deliveries is not None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that was picked, or that could be added."""

    event: int
    environment: str
    destination: str
    id: int = 0
    state: str = ""
    running: bool = False
    waiting: bool = False
    """Due later."""
    new: NewDelivery | None = None
    routed: bool = False
    """Today's routes lead there."""
    erased: bool = False
    """Its event has no content any more."""


class Bite(msgspec.Struct, kw_only=True):
    lines: list[Line]
    events: int = 0
    """That matched."""
    position: int
    """The last event that was looked at."""
    ended: bool = False


class _Kind(msgspec.Struct, frozen=True):
    """What a walk returns: rows of a statement of browse.sql."""

    target: Target
    statement: str
    width: int
    """Columns before the truths."""
    event: int
    """The column of the event's id."""


_DELIVERIES = _Kind(find.DELIVERIES, "find_repeatable", 8, 1)
_EVENTS = _Kind(find.EVENTS, "find_routable", 5, 0)


def choose(query: str, only: Sequence[str], now: float, below: int = find.END) -> Choice:
    """From what somebody typed: a query, or prefixed ids (``evt_…``, ``dlv_…``).

    :raises search.SearchError: for a query that says nothing, or an id that is none.
    """
    if not only:
        return Choice(query=search.parse(query, now), below=below)
    events: list[int] = []
    deliveries: list[int] = []
    for text in only:
        known = ids.read(text)
        if known is None or known[0] not in ("evt", "dlv"):
            raise search.SearchError(0, f"{text} is neither an event (evt_…) nor a delivery (dlv_…)")
        (events if known[0] == "evt" else deliveries).append(known[1])
    return Choice(events=tuple(events), deliveries=tuple(deliveries), below=below)


def pick_deliveries(tx: Tx, choice: Choice, after: int, codec: Codec, over: Over, most: int = MOST) -> Bite:
    """The next deliveries that the choice is about, oldest events first. Bites end between events."""
    bite = Bite(lines=[], position=after)
    for row in _walk(tx, _DELIVERIES, choice, bite, codec, over, most):
        delivery, event, destination, state, running, waiting, environment, erased = row[:8]
        bite.lines.append(
            Line(
                id=delivery,
                event=event,
                environment=environment,
                destination=destination,
                state=state,
                running=bool(running),
                waiting=bool(waiting),
                erased=bool(erased),
            )
        )
    return bite


def pick_events(
    tx: Tx,
    choice: Choice,
    after: int,
    codec: Codec,
    over: Over,
    route: Route | None,
    to: str | None,
    most: int = MOST,
) -> Bite:
    """The next events that the choice is about: with the deliveries they have, and those that could be added."""
    bite = Bite(lines=[], position=after)
    for row in _walk(tx, _EVENTS, choice, bite, codec, over, most):
        bite.lines += _lines(tx, row, codec, route, to)
    return bite


def _lines(tx: Tx, row: Sequence[Any], codec: Codec, route: Route | None, to: str | None) -> list[Line]:
    event, source, environment, type, erased = row[:5]
    wanted = {to: NewDelivery(to)} if to is not None else {}
    if route is not None:
        found, _ = route(source, environment, type, _reader(tx, event, type, codec))
        wanted |= {new.destination: new for new in found}
    lines = []
    for delivery, destination, state, running, waiting in tx.run("lines_of_event", event=event, now=tx.now):
        routed = wanted.pop(destination, None) is not None
        if to is None or routed:
            lines.append(
                Line(
                    id=delivery,
                    event=event,
                    environment=environment,
                    destination=destination,
                    state=state,
                    running=bool(running),
                    waiting=bool(waiting),
                    routed=routed,
                    erased=bool(erased),
                )
            )
    for new in wanted.values():
        lines.append(
            Line(
                event=event,
                environment=environment,
                destination=new.destination,
                new=new,
                routed=True,
                erased=bool(erased),
            )
        )
    return lines


def _reader(tx: Tx, event: int, type: str, codec: Codec) -> Reader:
    """Reads an ordering key out of a stored event; its bytes are opened only if somebody asks."""
    made: list[Reader] = []

    def read(path: str) -> Any:
        if not made:
            row = tx.one("event_content", id=event)
            assert row is not None
            headers, body = browse.open_content(tx, codec, row[3] or 0, row[4])
            own = browse.open_blob(tx, codec, row[7], row[8]) if row[8] is not None else body or b""
            known = tx.one("event_names", id=event) or (None, None)
            request = Request(method=row[1] or "POST", target=row[2] or b"", headers=headers, body=own, received_at=0)
            made.append(reader(VerifiedEvent(id=known[0], subject=known[1], type=type, body=own), request))
        return made[0](path)

    return read


def _walk(
    tx: Tx, kind: _Kind, choice: Choice, bite: Bite, codec: Codec, over: Over, most: int
) -> Iterator[Sequence[Any]]:
    """The wanted rows of the next ``most`` events that match, if a window holds so many; keeps the bite's books."""
    plan = find.compile(choice.query, kind.target, tx.now)
    path, only = path_of(choice, plan, kind.target)
    after = max(bite.position, plan.low - 1)
    below = min(plan.high, choice.below)
    values: dict[str, Any] = {**plan.values, "path": plan.required("source"), "after": after}
    if choice.listed:
        values |= _listed(tx, choice)
    window = browse.along("event_window_up", path)
    row = tx.connection.execute(window, {**values, "high": below, "size": WINDOW - 1}).fetchone()
    high = int(row[0]) if row is not None else below - 1
    text = browse.filled(kind.statement, plan, browse.EVENT_PAYLOAD, path).replace("{only}", only)
    at, matched = after, 0
    for row in tx.connection.execute(text, {**values, "high": high}):
        event = row[kind.event]
        if event != at:
            if bite.events == most or (at != after and over()):
                bite.position = at
                return
            at = event
        if browse.wanted(tx, row, kind.width, plan, codec):
            if event != matched:
                matched = event
                bite.events += 1
            yield row
    bite.position = high
    bite.ended = high >= below - 1


def path_of(choice: Choice, plan: Plan, target: Target) -> tuple[browse.Path, str]:
    """The condition to walk along, and what else the rows must meet."""
    if not choice.listed:
        return browse.event_path(plan), "1"
    path = browse.Path("events e", "e.id in (select value from json_each(:all_events))")
    if target is find.DELIVERIES:
        return path, (
            "(e.id in (select value from json_each(:events)) or d.id in (select value from json_each(:deliveries)))"
        )
    return path, "1"


def _listed(tx: Tx, choice: Choice) -> dict[str, str]:
    owners = [row[0] for number in choice.deliveries or () if (row := tx.one("event_of_delivery", id=number))]
    events = list(choice.events or ())
    return {
        "events": _json(events),
        "deliveries": _json(choice.deliveries or ()),
        "all_events": _json(sorted({*events, *owners})),
    }


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(list(numbers)).decode()
