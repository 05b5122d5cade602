"""Lists of events, deliveries and requests by a search: newest first, with a cursor, for as long as time allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from hookline import ids, search
from hookline.model import Headers
from hookline.store.compress import Codec
from hookline.store.judge import Payload
from hookline.store.records import Cursor, DeliveryRow, EventRow, Found, RequestRow
from hookline.store.sqlite import find
from hookline.store.sqlite.claim import learn_dictionary
from hookline.store.sqlite.find import Plan, Target
from hookline.store.sqlite.queries import queries
from hookline.store.sqlite.tx import Tx

T = TypeVar("T")

Over = Callable[[], bool]
"""Whether the time of a search is up."""

FIRST_WINDOW = 128
LARGEST_WINDOW = 4_096

EVENT_PAYLOAD = (
    "r.dictionary",
    "r.content",
    "i.dictionary",
    "i.body",
    "e.type",
    "e.subject",
    "e.provider_id",
    "e.reason",
    "e.hold",
)
REQUEST_PAYLOAD = (
    "r.dictionary",
    "r.content",
    "null",
    "null",
    "r.reason",
    "r.hint",
    "r.peer",
    "cast(r.target as text)",
)


class Path(msgspec.Struct, frozen=True):
    """What a walk goes along: a table (and the index to use), and the condition that all of its rows meet."""

    table: str
    condition: str = "1"


class Listing(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One kind of list: what it searches, the statements it walks with, and what a row becomes."""

    target: Target
    window: str
    rows: str
    width: int
    """Columns of a row before its truths."""
    payload: Sequence[str]
    record: Callable[..., T]
    path: Callable[[Plan], Path]
    cursor: Callable[[Sequence[Any]], Cursor]


def event_path(plan: Plan) -> Path:
    """The narrowest index of events that holds every row of a search."""
    for term in plan.terms:
        if term.field == "id" and term.path in find.EVENTS.ids:
            return Path("events e", find.EVENTS.ids[term.path].format(int(term.numbers[0])))
    for term in plan.terms:
        if (term.field, term.value) in _FAILED:
            return Path("events e indexed by events_failed", "e.failed > 0")
        if (term.field, term.value) in _HELD:
            return Path("events e indexed by events_held", "(e.needs_review > 0 or e.hold is not null)")
        if (term.field, term.value) == ("is", "running"):
            return Path("events e", _RUNNING)
    if plan.required("source") is not None:
        return Path("events e indexed by events_source", "e.source = :path")
    return Path("events e not indexed")


def _delivery(*row: Any) -> DeliveryRow:
    return DeliveryRow(*(*row[:13], bool(row[13])))


_RUNNING = "e.id in (select l.event from deliveries l indexed by deliveries_leased where l.lease_until is not null)"
_FAILED = {("status", "failed"), ("is", "failed"), ("state", "failed")}
_HELD = {(field, "needs_review") for field in ("status", "is", "state")} | {("is", "held")}


def request_path(plan: Plan) -> Path:
    for term in plan.terms:
        if term.field == "id" and term.path == "req":
            return Path("requests r", f"r.id = {int(term.numbers[0])}")
    if not any(term.field == "outcome" and term.value != "accepted" for term in plan.terms):
        return Path("requests r not indexed")
    if plan.required("source") is not None:
        return Path("requests r indexed by requests_logged", "r.outcome <> 'accepted' and r.source = :path")
    return Path("requests r indexed by requests_noted", "r.outcome <> 'accepted'")


LIST_EVENTS = Listing(
    target=find.EVENTS,
    window="event_window",
    rows="find_events",
    width=14,
    payload=EVENT_PAYLOAD,
    record=EventRow,
    path=event_path,
    cursor=lambda row: Cursor(row[0]),
)
LIST_DELIVERIES = Listing(
    target=find.DELIVERIES,
    window="event_window",
    rows="find_deliveries",
    width=14,
    payload=(*EVENT_PAYLOAD, "d.reason"),
    record=_delivery,
    path=event_path,
    cursor=lambda row: Cursor(row[1], row[0]),
)
LIST_REQUESTS = Listing(
    target=find.REQUESTS,
    window="request_window",
    rows="find_requests",
    width=13,
    payload=REQUEST_PAYLOAD,
    record=RequestRow,
    path=request_path,
    cursor=lambda row: Cursor(row[0]),
)


def listed(
    tx: Tx, listing: Listing[T], codec: Codec, query: search.Node, limit: int, cursor: Cursor | None, over: Over
) -> Found[T]:
    """The page of ``query`` after ``cursor``. Looks at one row at least, so that pages always get on.

    :raises search.SearchError: for a field that these rows do not have.
    """
    plan = find.compile(query, listing.target, tx.now)
    path = listing.path(plan)
    at = cursor or Cursor(find.END)
    high = min(plan.high, at.event + (1 if at.delivery else 0))
    values = {
        "path": plan.required("source"),
        "at_event": at.event if at.delivery else find.END,
        "at_delivery": at.delivery,
    }
    rows: list[Sequence[Any]] = []
    size = FIRST_WINDOW
    while True:
        low = _low(tx, listing.window, path, plan, values, high, size)
        text = filled(listing.rows, plan, listing.payload, path)
        for row, wanted in _judged(tx, text, {**plan.values, **values, "high": high, "low": low}, plan, codec, listing):
            if wanted and len(rows) == limit:
                return Found(data=_records(listing, rows), next=listing.cursor(rows[-1]).dump())
            if wanted:
                rows.append(row)
            if plan.slow and over():
                here = listing.cursor(row)
                return Found(data=_records(listing, rows), next=here.dump(), scanned_to=ids.when(here.event))
        if low <= plan.low:
            return Found(data=_records(listing, rows))
        if over():
            return Found(data=_records(listing, rows), next=Cursor(low).dump(), scanned_to=ids.when(low))
        high, size = low, min(size * 4, LARGEST_WINDOW)


def _records(listing: Listing[T], rows: Sequence[Sequence[Any]]) -> list[T]:
    return [listing.record(*row[: listing.width]) for row in rows]


def _low(tx: Tx, window: str, path: Path, plan: Plan, values: dict[str, Any], high: int, size: int) -> int:
    """Where the next window ends: the ``size``-th row along the path, or the end of what is searched."""
    text = along(window, path)
    found = tx.connection.execute(text, {**values, "high": high, "low": plan.low, "size": size - 1}).fetchone()
    return int(found[0]) if found is not None else plan.low


def along(statement: str, path: Path) -> str:
    """A statement of browse.sql that goes along ``path``."""
    return queries()[statement].replace("{table}", path.table).replace("{path}", path.condition)


def filled(statement: str, plan: Plan, payload: Sequence[str], path: Path) -> str:
    """A statement of browse.sql with its gaps closed."""
    columns = ", ".join(("", *plan.truths, *payload)) if plan.slow else ""
    return along(statement, path).replace("{truths}", columns).replace("{where}", plan.where)


def _judged(
    tx: Tx, text: str, values: dict[str, Any], plan: Plan, codec: Codec, listing: Listing[T]
) -> Iterator[tuple[Sequence[Any], bool]]:
    """Rows that may match, one at a time (their bodies may be large), and whether they do."""
    for row in tx.connection.execute(text, values):
        yield row, wanted(tx, row, listing.width, plan, codec)


def wanted(tx: Tx, row: Sequence[Any], width: int, plan: Plan, codec: Codec) -> bool:
    """The verdict on a row of a statement with truths and payload after ``width`` columns."""
    if not plan.slow:
        return True
    truths = row[width : width + len(plan.truths)]
    rest = row[width + len(plan.truths) :]
    opened: list[Payload] = []

    def payload() -> Payload:
        if not opened:
            opened.append(_payload(tx, codec, rest))
        return opened[0]

    return plan.wants(truths, payload)


def _payload(tx: Tx, codec: Codec, rest: Sequence[Any]) -> Payload:
    dictionary, packed, item_dictionary, item, *words = rest
    headers, body = open_content(tx, codec, dictionary, packed)
    if item is not None:
        body = open_blob(tx, codec, item_dictionary, item)
    return Payload(headers, body or b"", content_type(headers), words)


def open_content(tx: Tx, codec: Codec, dictionary: int, packed: bytes | None) -> tuple[Headers, bytes | None]:
    """Headers and body of a request; no body if they were erased (or never kept)."""
    if packed is None:
        return [], None
    _learn(tx, codec, dictionary)
    content = codec.content(dictionary, packed)
    return content.headers, content.body


def open_blob(tx: Tx, codec: Codec, dictionary: int, packed: bytes) -> bytes:
    _learn(tx, codec, dictionary)
    return codec.unpack(dictionary, packed)


def _learn(tx: Tx, codec: Codec, dictionary: int) -> None:
    if not codec.knows(dictionary):
        learn_dictionary(tx, codec, dictionary)


def content_type(headers: Headers) -> str:
    """Lower case, without its parameters; empty if there is none."""
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.decode("latin-1").partition(";")[0].strip().lower()
    return ""
