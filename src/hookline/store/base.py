"""What a store does. Two databases implement it; one contract suite (tests/contract) holds both to it.

The hot operations take and return batches: a batch is one transaction, and one fsync serves everybody in it.
Locks are always taken in the order destinations, ordering keys, events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from hookline.model import Arrival, Claim, Receipt, Request, RequestOutcome, Settlement
from hookline.model import HandlerRoute as HandlerRoute


class Want(msgspec.Struct, frozen=True):
    """What a worker can take for one destination: free places, and the limits that hold for the installation."""

    slots: int
    """How many claims this worker can take now."""
    concurrency: int | None = None
    """Open leases of the destination in all workers together; None for no limit."""
    rate: float | None = None
    """Attempts a second in all workers together."""
    burst: float | None = None
    """Attempts that may come at once; None for one second's worth."""
    breaker: bool = True
    """Whether a destination that keeps failing is left alone for a while."""


class RequestNote(msgspec.Struct, frozen=True, kw_only=True):
    """A request that became no event: for the bounded request log, written in the background."""

    source: str | None
    """None for a path that no source has."""
    outcome: RequestOutcome
    reason: str
    status: int
    request: Request
    hint: str = ""
    """The provider recognised, and ``did you mean /webhooks/stripe?``"""


class PublishedApp(msgspec.Struct, frozen=True, kw_only=True):
    """The handlers of one app, of one generation."""

    app: str
    generation: int
    handlers: tuple[HandlerRoute, ...]
    error: str = ""
    """Why the last import failed; the handlers are then those of the last good one."""


class Dictionary(msgspec.Struct, frozen=True):
    """A trained compression dictionary: immutable, kept while any row refers to it."""

    id: int
    source: str
    data: bytes


class Store(Protocol):
    """Every method may raise :class:`hookline.errors.Unavailable`: nothing was written then, as far as can be told."""

    # -- the walk ------------------------------------------------------------------------------------------------

    async def accept(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        """Write events and their deliveries in one commit and return after the fsync, one receipt per arrival.

        De-duplicates on (source, key): same key and digest → ``duplicate`` (counted; failed deliveries run again with
        trigger ``redelivery`` unless ``on_duplicate`` is ``ignore``); same key, other digest → kept as
        ``key#digest``, needs_review ``same id, other body``; ``body_key`` and a known digest under a new
        key → needs_review ``replayed body``. Repetitions inside one batch count too. A data error fails only its
        own arrival.
        """
        ...

    async def claim(self, worker: str, wants: Mapping[str, Want], lease_seconds: float) -> list[Claim]:
        """Take what is due, going round the open destinations in ``wants``: paused and broken ones are skipped,
        concurrency, rate and breaker of the destination's row are reserved in the same transaction, and of an ordering
        key only the head is taken. A claim whose lease ran out writes its own attempt row (``lease ran out``) first."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write attempts and their decisions; False where the lease was not the holder's any more (nothing changed)."""
        ...

    async def renew(self, claims: Sequence[tuple[int, int]], lease_seconds: float) -> list[bool]:
        """Prolong leases, given as (delivery, lease); False where lost."""
        ...

    async def note(self, notes: Sequence[RequestNote]) -> None:
        """Write rejected requests and handshakes into the bounded log."""
        ...

    async def publish_app(self, app: str, generation: int, handlers: Sequence[HandlerRoute]) -> bool:
        """Write what an app handles: a newer generation replaces, the same one adds; False where a newer one was first.
        ``note_app_error`` leaves the last good handlers in place, and says why the new ones did not come."""
        ...

    async def published_apps(self) -> list[PublishedApp]:
        """Every app that has published its handlers, by name."""
        ...

    async def shared_key(self) -> bytes:
        """32 random bytes that the processes of this store share: what marks a sample of our own at the door."""
        ...

    # The rest (handlers, replay, cancel, pause, browse, stats, tokens, retention, backup) follows the same shape.
