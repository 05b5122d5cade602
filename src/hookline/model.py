"""The nouns. What happens to them is told by the modules named after the verbs.

A delivery's life::

                     ┌────────────── retry at, released ──────────────┐
                     ▼                                                │
    accept ──► pending ──claim──► pending, leased ──settle──► succeeded
                     │                                  ├──► failed         tried to the end, or told to stop
                     │                                  ├──► ignored        a filter or the handler declined, and why
                     │                                  └──► needs_review   a person must look: poison, restored, held
                     └──cancel──► cancelled
    replay: failed, needs_review, cancelled (and, with --again, succeeded) ──► pending

An event's status is computed from its counters, never stored and never read from siblings.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

Headers = list[tuple[bytes, bytes]]
"""Name and value pairs exactly as they arrived: order, case and repetitions kept."""


class RequestOutcome(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    CHALLENGE = "challenge"


class State(StrEnum):
    """Of a delivery."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IGNORED = "ignored"
    NEEDS_REVIEW = "needs_review"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """Of an event."""

    NEEDS_REVIEW = "needs_review"
    FAILED = "failed"
    PENDING = "pending"
    PROCESSED = "processed"
    IGNORED = "ignored"


class Trigger(StrEnum):
    """Who asked for an attempt."""

    INITIAL = "initial"
    RETRY = "retry"
    REPLAY = "replay"
    REDELIVERY = "redelivery"
    RECONCILE = "reconcile"
    TRIGGER = "trigger"


class Origin(StrEnum):
    """How an event came to us."""

    PROVIDER = "provider"
    TRIGGER = "trigger"
    RECONCILE = "reconcile"
    PUBLISH = "publish"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived at the door, exactly."""

    method: str
    target: bytes
    """The raw request target: path and query as sent."""
    headers: Headers
    body: bytes
    received_at: float
    """Unix seconds."""
    peer: str = ""
    """The sender's address, after trusted proxies."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, by its lower-case name."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer of ours: an acknowledgement or a handshake's echo."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class VerifiedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event out of a verified request."""

    id: str | None
    """The provider's own id, the dedupe key; None where it has none (the store falls back to a digest)."""
    type: str
    body: bytes
    """The item's own JSON in a batch, else the request's body."""
    occurred_at: float | None = None
    """The provider's own time, unix seconds."""
    subject: str | None = None
    """The resource that the event is about."""
    live: bool | None = None
    """False for the provider's test mode, None where it does not say."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A genuine request and what it carries."""

    events: list[VerifiedEvent]
    secret: int = 0
    """Which of the candidate secrets matched."""
    signed_at: float | None = None
    """The time that the signature covers, unix seconds."""
    note: str = ""
    """Why a person should look before anything runs: ``batch of more than 1000 items``."""


class HandlerRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A Python handler as its app published it: what ingest routes by without importing user code."""

    name: str
    source: str
    types: tuple[str, ...]
    environment: str | None = None
    ordering_key: str | None = None
    when: Any = None


class NewDelivery(msgspec.Struct, frozen=True):
    """One event for one destination, to be written with the event."""

    destination: str
    route: str = ""
    """The route's name: the worker finds its ``when`` clause by it."""
    ordering_key: str | None = None


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as ingest hands it to the store."""

    key: str
    """The dedupe key within the source."""
    digest: bytes
    """16 bytes over what the provider's row says identifies the content."""
    type: str
    deliveries: tuple[NewDelivery, ...] = ()
    provider_id: str | None = None
    subject: str | None = None
    occurred_at: float | None = None
    body: bytes | None = None
    """The item's JSON; None if it is the request's whole body."""
    hold: str | None = None
    """Why the event needs review from the start (its deliveries are then written as ``needs_review``)."""
    reason: str | None = None
    """Why an event without deliveries is ignored: ``no route``, ``type not wanted``, …"""
    key_seconds: float | None = None
    """How long the key counts; None for the store's retention of ids, shorter for digest keys."""
    body_key: bool = False
    """True where neither time nor id is signed and bodies never repeat: a known digest under a new key is held."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One verified request with its events: the unit that the store accepts or refuses."""

    source: str
    environment: str
    request: Request
    events: list[NewEvent]
    origin: Origin = Origin.PROVIDER
    secret: int = 0
    on_duplicate: str = "redeliver"
    """Or ``ignore``: whether a duplicate of an event with failed deliveries runs those again."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of an arrival. ``events`` are the ids of its events, new or known."""

    outcome: RequestOutcome
    events: tuple[int, ...]
    woken: tuple[str, ...] = ()
    """Destinations that have something to do now."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a handler sees it."""

    id: str
    source: str
    environment: str
    type: str
    provider_id: str | None
    subject: str | None
    occurred_at: float | None
    received_at: float
    raw: bytes
    """The request's body, exactly."""
    item: bytes
    """This event's own bytes: the item of a batch, else ``raw``."""
    headers: Headers
    method: str
    target: bytes
    origin: str = "provider"
    attempt: int = 1
    idempotency_key: str = ""
    superseded: bool = False
    """True for a replay whose ordering key has moved on since."""

    @property
    def body(self) -> Any:
        """The JSON value, or a form as a dict of lists, else None. Parsed at each access: keep it in a name."""
        from hookline.payload import parse

        return parse(self.item, self.content_type if self.item == self.raw else "application/json")

    @property
    def content_type(self) -> str:
        for name, value in self.headers:
            if name.lower() == b"content-type":
                return value.decode("latin-1").partition(";")[0].strip().lower()
        return ""

    def header(self, name: str) -> str | None:
        """The first value of a header, in any case."""
        wanted = name.lower().encode("latin-1", "replace")
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery in a worker's hands until its lease runs out."""

    delivery: int
    lease: int
    """The fencing number: every write of the holder carries it."""
    destination: str
    route: str
    event: Event
    event_number: int
    attempt: int
    """1 for the first try; released and paused claims use up none."""
    trigger: Trigger
    first_due_at: float
    """Unix seconds at which the delivery was first due: what retry schedules count from."""
    crashes: int = 0
    ordering_key: str | None = None
    tries: int = 0
    """Attempts so far, also those that were given back or never reported."""
    worker: str = ""
    """Whose it is: the name under which it was claimed."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one try came to, as its destination tells it. Trouble that we expect is a value, not an exception."""

    state: State | None = None
    """SUCCEEDED, IGNORED, FAILED (do not try again) or NEEDS_REVIEW; None asks for the retry policy."""
    reason: str = ""
    """One line in plain words, never a secret."""
    code: int | None = None
    """The HTTP status, or a command's exit status."""
    retry_after: float | None = None
    """Seconds that the other side (or the handler) asked us to wait."""
    sent: str = ""
    """What was sent, for people: the request line and headers with credentials masked."""
    received: bytes = b""
    """The start of what came back."""
    error: str = ""
    """A traceback, or the class and text of an error."""
    unknown: bool = False
    """True when the effect may have happened (sent, then no answer)."""
    timed_out: bool = False
    """The other side had its time and did not use it: the next attempt waits for at least a minute."""

    @property
    def ok(self) -> bool:
        return self.state is State.SUCCEEDED


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """A finished attempt and the decision on it: what a worker hands back to the store."""

    claim: Claim
    outcome: Outcome
    state: State
    """Where the delivery goes; PENDING means again, at ``due_at``."""
    reason: str
    started_at: float
    finished_at: float
    due_at: float | None = None
    counted: bool = True
    """False gives the claim back without using up an attempt (drain, pause, breaker)."""
    crashed: bool = False
    """True adds to the delivery's crashes: it took the process that tried it with it."""
