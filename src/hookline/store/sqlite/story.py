"""One event with all that happened to it, and one request; found by whatever name people have for them."""

from __future__ import annotations

import msgspec

from hookline import ids, search
from hookline.store.compress import Codec
from hookline.store.records import (
    AttemptRow,
    Cursor,
    DeliveryRow,
    DeliveryStory,
    EventRow,
    EventStory,
    RequestRow,
    RequestStory,
)
from hookline.store.sqlite import browse
from hookline.store.sqlite.browse import Over
from hookline.store.sqlite.keys import Filter, find_record, key_hash, known
from hookline.store.sqlite.tx import Tx

LATEST = "latest"


def find_event(tx: Tx, name: str, codec: Codec, over: Over) -> int | None:
    """The event that somebody means: ``evt_…``, ``dlv_…``, ``req_…``, ``latest``, ``latest invoice.paid``, or the
    provider's own id. None if there is none (or, for a type, none among those that time allowed to look at)."""
    first, _, rest = name.strip().partition(" ")
    if first == LATEST:
        return _latest(tx, rest.strip(), codec, over)
    known_id = ids.read(name)
    if known_id is None:
        found = _by_provider_id(tx, name)
        return found or _newest(tx, search.Term(field="provider_id", value=name), codec, over)
    prefix, number = known_id
    match prefix:
        case "dlv":
            row = tx.one("event_of_delivery", id=number)
        case "req":
            row = tx.one("event_of_request", id=number)
        case _:
            row = (number,)
    event = _event_row(tx, row[0]) if row is not None and row[0] is not None else None
    return event.id if event is not None else None


def event_story(tx: Tx, number: int, codec: Codec) -> EventStory | None:
    """None if there is no such event (any more)."""
    event, found = _event_row(tx, number), tx.one("event_content", id=number)
    if event is None or found is None:
        return None
    _, method, target, dictionary, packed, peer, secret, item_dictionary, item = found
    headers, raw = browse.open_content(tx, codec, dictionary or 0, packed)
    return EventStory(
        event=event,
        method=method or "POST",
        target=target or b"",
        headers=headers,
        raw=raw,
        item=browse.open_blob(tx, codec, item_dictionary, item) if item is not None else raw,
        content_type=browse.content_type(headers),
        peer=peer or "",
        secret=secret or 0,
        deliveries=_deliveries(tx, number, codec),
    )


def request_story(tx: Tx, number: int, codec: Codec) -> RequestStory | None:
    """None if there is no such request (any more)."""
    request, found = _request_row(tx, number), tx.one("request_content", id=number)
    if request is None or found is None:
        return None
    headers, body = browse.open_content(tx, codec, found[0], found[1])
    if request.outcome == "duplicate":
        body = None
    events = [row[0] for row in tx.run("events_of_request", id=number)]
    return RequestStory(request, headers, body, events or ([request.event] if request.event is not None else []))


def _event_row(tx: Tx, number: int) -> EventRow | None:
    return _first(tx, browse.LIST_EVENTS, "evt", number)


def _request_row(tx: Tx, number: int) -> RequestRow | None:
    return _first(tx, browse.LIST_REQUESTS, "req", number)


def _first(tx: Tx, listing: browse.Listing[browse.T], prefix: str, number: int) -> browse.T | None:
    rows = browse.listed(tx, listing, Codec(), _by_id(prefix, number), 1, None, _patient).data
    return rows[0] if rows else None


def _by_id(prefix: str, number: int) -> search.Term:
    return search.Term(field="id", path=prefix, value="", numbers=(number,))


def _patient() -> bool:
    return False


def _deliveries(tx: Tx, event: int, codec: Codec) -> list[DeliveryStory]:
    attempts: dict[int, list[AttemptRow]] = {}
    for delivery, number, counted, *rest in tx.run("attempts_of", event=event):
        started_at, finished_at, trigger, state, reason, code, unknown, worker, sent, received, error = rest
        row = AttemptRow(
            number,
            bool(counted),
            started_at,
            finished_at,
            trigger,
            state,
            reason,
            code,
            bool(unknown),
            worker,
            sent,
            received,
            error,
        )
        attempts.setdefault(delivery, []).append(row)
    rows: list[DeliveryRow] = browse.listed(
        tx, browse.LIST_DELIVERIES, codec, _by_id("evt", event), 1_000_000, None, _patient
    ).data
    return [DeliveryStory(row, attempts.get(row.id, [])) for row in rows]


def _latest(tx: Tx, type: str, codec: Codec, over: Over) -> int | None:
    if not type:
        row = tx.one("latest_event")
        return row[0] if row is not None else None
    return _newest(tx, search.Term(field="type", op="like" if "*" in type else "=", value=type), codec, over)


def _newest(tx: Tx, wanted: search.Term, codec: Codec, over: Over) -> int | None:
    """The first that a search finds before its time is up."""
    cursor = None
    while True:
        page = browse.listed(tx, browse.LIST_EVENTS, codec, wanted, 1, cursor, over)
        if page.data or page.next is None or over():
            return page.data[0].id if page.data else None
        cursor = Cursor.load(page.next)


def _by_provider_id(tx: Tx, name: str) -> int | None:
    """Through the dedupe keys: nearly all are the provider's ids, hashed with each source's name. The newest, if
    several."""
    hashes = [key_hash(source, name) for (source,) in tx.run("event_sources")]
    texts = msgspec.json.encode([hashed.hex().upper() for hashed in hashes]).decode()
    records = [row[0] for row in tx.run("fresh_keys_of", hashes=texts)]
    for (run,) in tx.run("live_runs"):
        may = _filter(tx, run)
        for hashed in hashes:
            page = tx.one("key_page", run=run, hash=hashed) if may.may_hold(hashed) else None
            record = find_record(page[0], hashed) if page is not None else None
            if record is not None:
                records.append(record)
    found = {known(record).event for record in records}
    return next((event for event in sorted(found, reverse=True) if _is(tx, event, name)), None)


def _filter(tx: Tx, run: int) -> Filter:
    row = tx.one("run_filter", run=run)
    return Filter(row[0] if row is not None else b"\0")


def _is(tx: Tx, event: int, name: str) -> bool:
    return tx.one("known_event", id=event, provider_id=name) is not None
