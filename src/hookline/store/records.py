"""What the store tells people: rows as values. Ids are numbers and times unix seconds; the admin door dresses them."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any, Generic, TypeVar

import msgspec

from hookline.errors import HooklineError
from hookline.model import Headers

T = TypeVar("T")

STATISTICS_SECONDS = 400 * 86_400.0

_CURSOR = struct.Struct(">QQ")


class CursorError(HooklineError):
    """A cursor that we did not hand out."""


class Cursor(msgspec.Struct, frozen=True):
    """Where a list goes on: after this row, in the list's order."""

    event: int
    delivery: int = 0

    def dump(self) -> str:
        """As callers keep it, without looking inside."""
        return base64.urlsafe_b64encode(_CURSOR.pack(self.event, self.delivery)).decode("ascii").rstrip("=")

    @classmethod
    def load(cls, text: str) -> Cursor:
        """:raises CursorError: for any other text."""
        try:
            data = base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
            event, delivery = _CURSOR.unpack(data)
        except (ValueError, binascii.Error, struct.error):
            raise CursorError("this cursor is none of ours: start again without it") from None
        if event >= 1 << 63 or delivery >= 1 << 63:
            raise CursorError("this cursor is none of ours: start again without it")
        return cls(event, delivery)


class Found(msgspec.Struct, Generic[T], kw_only=True):
    """One page of a search, newest first."""

    data: list[T]
    next: str | None = None
    """A cursor for the next page; None on the last."""
    scanned_to: float | None = None
    """Where time ran out: everything received after this (unix seconds) was looked at. None if nothing is left."""


class EventRow(msgspec.Struct, frozen=True):
    id: int
    request: int
    source: str
    environment: str
    type: str
    status: str
    reason: str | None
    provider_id: str | None
    subject: str | None
    occurred_at: float | None
    received_at: float
    duplicates: int
    origin: str
    size: int


class DeliveryRow(msgspec.Struct, frozen=True):
    id: int
    event: int
    destination: str
    route: str
    state: str
    phase: str | None
    """Of a pending one: running, ordered, paused, retrying, no worker, due."""
    reason: str | None
    trigger: str
    attempts: int
    due_at: float | None
    """When it is tried next; None unless it is pending."""
    changed_at: float
    ordering_key: str | None
    code: int | None
    superseded: bool


class AttemptRow(msgspec.Struct, frozen=True):
    number: int
    """The attempt's number as the destination was told; tries that used up none repeat it."""
    counted: bool
    started_at: float
    finished_at: float
    trigger: str
    state: str
    """Where the delivery went; ``pending``: again."""
    reason: str
    code: int | None
    unknown: bool
    worker: str
    sent: str | None
    received: bytes | None
    error: str | None


class DeliveryStory(msgspec.Struct, frozen=True):
    delivery: DeliveryRow
    attempts: list[AttemptRow]


class EventStory(msgspec.Struct, frozen=True, kw_only=True):
    """An event, its bytes and everything that happened to it."""

    event: EventRow
    method: str
    target: bytes
    headers: Headers
    raw: bytes | None
    """The request's body, exactly. None once erased."""
    item: bytes | None
    """The event's own bytes: of a batch its item, else ``raw``."""
    content_type: str
    peer: str
    secret: int
    """Which of the source's secrets matched."""
    deliveries: list[DeliveryStory]


class RequestRow(msgspec.Struct, frozen=True):
    id: int
    source: str | None
    environment: str | None
    outcome: str
    status: int | None
    reason: str | None
    hint: str | None
    method: str
    target: bytes
    peer: str
    received_at: float
    size: int
    event: int | None
    """Of a duplicate: the event that it repeats."""


class RequestStory(msgspec.Struct, frozen=True):
    request: RequestRow
    headers: Headers
    body: bytes | None
    """None where it was not kept: a duplicate's is its event's."""
    events: list[int]


class DestinationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A destination that has deliveries, workers or a state of its own."""

    name: str
    state: str = "open"
    """open, paused, or broken while its breaker keeps everything back."""
    reason: str | None = None
    changed_at: float | None = None
    counts: dict[str, int]
    """Deliveries by state."""
    oldest_due_at: float | None = None
    """Since when the one that has waited longest could have run."""
    workers: int = 0


class WorkerRow(msgspec.Struct, frozen=True):
    name: str
    pid: int
    started_at: float
    seen_at: float
    destinations: list[str]


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay does beyond repeating what did not succeed."""

    again: bool = False
    """Succeeded deliveries too, under a new idempotency key."""
    reroute: bool = False
    """Add the deliveries that today's routes give."""
    to: str | None = None
    """Add a delivery for this destination, and repeat no other."""
    rate: float | None = None
    """Events a second; None for as fast as the destinations take them."""
    only: tuple[str, ...] = ()
    """Events and deliveries by their ids, instead of a query."""


class ReplayPlan(msgspec.Struct, kw_only=True):
    """What a replay would do."""

    events: int = 0
    deliveries: int = 0
    destinations: dict[str, int] = {}
    environments: dict[str, int] = {}
    left_out: dict[str, int] = {}
    """Deliveries that it would not touch, by the reason."""


class ReplayRow(msgspec.Struct, frozen=True, kw_only=True):
    """A replay as a job with progress."""

    id: int
    created_at: float
    finished_at: float | None
    who: str
    query: str
    options: ReplayOptions
    state: str
    """running, done, stopped."""
    position: int
    """The last event looked at."""
    total: int
    done: int
    error: str


class TokenRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    role: str
    created_at: float
    used_at: float | None
    expires_at: float | None
    revoked_at: float | None


class AuditRow(msgspec.Struct, frozen=True):
    id: int
    at: float
    who: str
    action: str
    target: str
    detail: dict[str, Any]


class Percentiles(msgspec.Struct, frozen=True):
    """Of durations, in seconds, out of merged log buckets (exact to 19 %)."""

    count: int
    p50: float
    p95: float
    p99: float


class Totals(msgspec.Struct, kw_only=True):
    """What happened in a span of time."""

    since: float
    until: float
    requests: dict[str, int] = {}
    """By outcome: accepted, duplicate, rejected, challenge."""
    events: dict[str, int] = {}
    """By what they were at the door: pending, ignored, needs_review, duplicate."""
    attempts: dict[str, int] = {}
    """By what they ended in: succeeded, retry, failed, ignored, needs_review."""
    durations: dict[str, Percentiles] = {}
    """lag (occurred to received), wait (due to first attempt), took (an attempt)."""


class Point(msgspec.Struct, kw_only=True):
    """One point of a chart."""

    at: float
    counts: dict[str, int] = {}
    percentiles: Percentiles | None = None


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """For how many seconds."""

    events: float
    failed: float
    """Of events that failed or need review, since their last change, at least."""
    rejected: float
    """The request log: what was rejected, handshakes, and repetitions (their events count them for longer)."""
    statistics: float = STATISTICS_SECONDS


class Dropped(msgspec.Struct):
    """How many rows went."""

    events: int = 0
    requests: int = 0


class Finding(msgspec.Struct, frozen=True):
    """Something that ``check`` found wrong in a store."""

    name: str
    what: str
    cure: str
