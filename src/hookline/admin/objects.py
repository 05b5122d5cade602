"""The objects that people and programs read: the JSON of the API, and one line each of ``--json``.

Times are RFC 3339 in UTC, ids are prefixed, what is unknown is null.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Id = Annotated[str, Meta(description="Prefixed and sortable in time, such as `evt_0d3v8m2k9q4hz`.")]
Moment = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]
Role = Literal["viewer", "operator", "admin"]
State = Literal["ok", "warning", "problem"]
"""Of something that was looked at."""


def moment(seconds: float | None) -> str | None:
    """Unix seconds as ``"2026-11-23T13:28:23.120Z"``."""
    if seconds is None:
        return None
    return at(seconds)


def at(seconds: float) -> str:
    """The same for a time that is known. What no calendar holds becomes its nearest end."""
    when = dt.datetime.fromtimestamp(min(max(seconds, 0.0), 253_402_300_799.0), dt.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def seconds_of(text: str) -> float:
    """Unix seconds of a moment that :func:`at` made."""
    return dt.datetime.fromisoformat(text).timestamp()


class Object(msgspec.Struct, kw_only=True):
    """Base of everything that is shown."""


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """A list and how it goes on."""

    data: list[T]
    next: Annotated[str | None, Meta(description="Pass it as `cursor` for the next page; null on the last.")] = None
    scanned_to: Annotated[
        Moment | None, Meta(description="How far back a search has looked, where it could not look at everything.")
    ] = None


class Event(Object, kw_only=True):
    """One thing that happened at a source."""

    id: Id
    source: str
    environment: str
    type: str
    status: Literal["needs_review", "failed", "pending", "processed", "ignored"]
    reason: Annotated[str | None, Meta(description="Why it is ignored or needs review.")] = None
    provider_id: Annotated[str | None, Meta(description="The provider's own id.")] = None
    subject: Annotated[str | None, Meta(description="The resource that it is about.")] = None
    occurred_at: Moment | None = None
    received_at: Moment
    duplicates: Annotated[int, Meta(description="How often it came again.")] = 0
    origin: Annotated[str, Meta(description="`provider`, `trigger`, `reconcile` or `publish`.")] = "provider"
    size: Annotated[int, Meta(description="Bytes of its body.")] = 0


class Attempt(Object, kw_only=True):
    """One try of a delivery."""

    number: int
    started_at: Moment
    ms: Annotated[float, Meta(description="How long it took, milliseconds.")]
    trigger: Annotated[
        str, Meta(description="Who asked: `initial`, `retry`, `replay`, `redelivery`, `reconcile` or `trigger`.")
    ]
    state: Annotated[str, Meta(description="Where the delivery went; `pending` means: again.")]
    reason: str | None = None
    code: Annotated[int | None, Meta(description="HTTP status or exit status.")] = None
    worker: str | None = None
    sent: str | None = None
    received: Annotated[str | None, Meta(description="The start of what came back.")] = None
    error: str | None = None


class Delivery(Object, kw_only=True):
    """One event for one destination."""

    id: Id
    event: Id
    destination: str
    route: str | None = None
    state: Literal["pending", "succeeded", "failed", "ignored", "needs_review", "cancelled"]
    phase: Annotated[
        str | None,
        Meta(description="Of a pending one: `due`, `running`, `retrying`, `paused`, `ordered` or `no worker`."),
    ] = None
    reason: str | None = None
    attempts: Annotated[int, Meta(description="How many were made.")] = 0
    due_at: Annotated[Moment | None, Meta(description="When it is tried next.")] = None
    changed_at: Moment | None = None
    ordering_key: str | None = None
    code: Annotated[int | None, Meta(description="Of the last attempt.")] = None


class StoryDelivery(Delivery, kw_only=True):
    """A delivery with all its attempts."""

    tries: list[Attempt] = []


class StoryEvent(Event, kw_only=True):
    """An event with its content and everything that happened to it."""

    request: Id | None = None
    headers: Annotated[list[tuple[str, str]], Meta(description="As received, in order.")] = []
    content_type: str = ""
    body: Annotated[Any, Meta(description="Parsed JSON, or a form as lists; null if it is neither.")] = None
    deliveries: list[StoryDelivery] = []


class Request(Object, kw_only=True):
    """What arrived at the door."""

    id: Id
    source: Annotated[str | None, Meta(description="Null for a path that no source has.")] = None
    outcome: Literal["accepted", "duplicate", "rejected", "challenge"]
    reason: str | None = None
    status: Annotated[int | None, Meta(description="What we answered.")] = None
    hint: Annotated[str | None, Meta(description="What may be wrong, and the cure.")] = None
    method: str
    path: Annotated[str, Meta(description="Path and query as sent.")]
    peer: str
    received_at: Moment
    size: int = 0
    events: list[Id] = []


class StoryRequest(Request, kw_only=True):
    """A request with its content."""

    headers: list[tuple[str, str]] = []
    body: Annotated[Any, Meta(description="Parsed JSON, or a form as lists; null if it is neither.")] = None
    text: Annotated[str | None, Meta(description="The body as text, where it is neither JSON nor a form.")] = None


class Finding(Object, kw_only=True):
    """One thing that the signature doctor found."""

    name: str
    what: str
    cure: str = ""


class Verdict(Object, kw_only=True):
    """A stored request, judged again as of its arrival."""

    request: Annotated[Id | None, Meta(description="Null for one that was not stored.")] = None
    genuine: bool
    reason: Annotated[str | None, Meta(description="Why it is still rejected.")] = None
    findings: list[Finding] = []
    events: Annotated[list[Id], Meta(description="The events that it became.")] = []


class Counts(Object, kw_only=True):
    """Deliveries by state, of those that are still there."""

    pending: int = 0
    succeeded: int = 0
    failed: int = 0
    ignored: int = 0
    needs_review: int = 0
    cancelled: int = 0


class Source(Object, kw_only=True):
    """Where events come from, as configured; how it has been lately."""

    name: str
    provider: str
    environment: str
    path: str
    url: Annotated[str | None, Meta(description="What the provider calls, where `public_url` is set.")] = None
    state: Annotated[str, Meta(description="`ok`, `retired`, or `unusable` with the reason.")] = "ok"
    reason: str | None = None
    secrets: Annotated[list[str], Meta(description="Where they are found, never what they are.")] = []
    last_event_at: Moment | None = None
    owner: str | None = None


class Destination(Object, kw_only=True):
    """Where events go."""

    name: str
    type: Annotated[str, Meta(description="`python`, `http`, `slack`, `email`, `notify` or `command`.")]
    state: Annotated[str, Meta(description="`open`, `paused` or `broken` (its breaker is open).")] = "open"
    reason: str | None = None
    deliveries: Counts = msgspec.field(default_factory=Counts)
    oldest_pending_at: Moment | None = None
    workers: Annotated[int, Meta(description="How many workers take its deliveries.")] = 0


class Trial(Object, kw_only=True):
    """What a test of a destination came to."""

    destination: str
    ok: bool
    reason: str = ""
    code: int | None = None
    ms: float = 0.0
    sent: str | None = None
    received: str | None = None


class Plan(Object, kw_only=True):
    """What a replay would do, before it does it."""

    events: int
    deliveries: int
    destinations: Annotated[dict[str, int], Meta(description="Deliveries by destination.")] = {}
    environments: Annotated[dict[str, int], Meta(description="Deliveries by environment.")] = {}
    left_out: Annotated[dict[str, int], Meta(description="Deliveries that it would not touch, by reason.")] = {}


class Replay(Object, kw_only=True):
    """A replay: a job with progress."""

    id: Id
    state: Annotated[str, Meta(description="`running`, `done` or `stopped`.")]
    query: str
    total: int = 0
    done: int = 0
    who: str = ""
    created_at: Moment
    finished_at: Moment | None = None
    error: str | None = None


class Stats(Object, kw_only=True):
    """Counts of a span of time, and what waits now."""

    since: Moment
    until: Moment
    requests: dict[str, int] = {}
    events: dict[str, int] = {}
    attempts: dict[str, int] = {}
    waiting: Annotated[int, Meta(description="Pending deliveries now.")] = 0
    oldest_pending_at: Moment | None = None
    failed: Annotated[int, Meta(description="Failed deliveries now: the dead letters.")] = 0
    needs_review: int = 0
    lag_ms: Annotated[dict[str, float], Meta(description="Percentiles from occurred to received.")] = {}
    wait_ms: Annotated[dict[str, float], Meta(description="Percentiles from due to started.")] = {}
    took_ms: Annotated[dict[str, float], Meta(description="Percentiles of attempts.")] = {}


class Check(Object, kw_only=True):
    """One thing that was looked at."""

    name: str
    state: State
    what: str
    cure: str = ""


class Health(Object, kw_only=True):
    """Whether this installation is well."""

    state: State
    version: str
    store: str
    workers: list[str] = []
    checks: list[Check] = []


class Token(Object, kw_only=True):
    """A token for the API. Its text is shown once, when it is made."""

    id: Id
    name: str
    role: Role
    created_at: Moment
    used_at: Moment | None = None
    expires_at: Moment | None = None


class NewToken(Token, kw_only=True):
    """A token that has just been made."""

    token: Annotated[str, Meta(description="Shown this once.")]


class Entry(Object, kw_only=True):
    """One line of the audit log."""

    id: Id
    at: Moment
    who: str
    action: str
    target: str
    detail: dict[str, Any] = {}


class Done(Object, kw_only=True):
    """How many it touched."""

    count: int
