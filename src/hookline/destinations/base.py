"""What a destination is to the worker: something that tries once and tells what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from hookline.model import Claim, Event, Outcome
from hookline.pacing import Limits
from hookline.retry import Policy


class Destination(Protocol):
    """One try at a time; never raises for trouble on the other side."""

    name: str
    policy: Policy
    limits: Limits
    """What holds for the installation: the store reserves it."""
    places: int
    """How many attempts this process may run at once."""
    timeout: float
    """Seconds for one attempt. The destination keeps it; the worker replaces its process after twice as long."""
    interruptible: bool
    """False for a plain function: nothing can stop it but the end of its process."""
    suspect_after: int
    """Crashes while one of its attempts was running, after which that one is tried in a process of its own: 1 where a
    user's code runs, 2 where a worker that was killed from outside is the likelier cause. Each costs the start of a
    process."""

    async def send(self, claim: Claim) -> Outcome: ...

    async def close(self) -> None: ...


@runtime_checkable
class StoreDestination(Destination, Protocol):
    """A plain function whose writes go into the store's own transaction, beside its delivery's end."""

    act: Callable[[Event, Any], Outcome] | None
    """One attempt with that transaction; None where this one wants none."""


@runtime_checkable
class DigestDestination(Destination, Protocol):
    """A destination that can tell several events in one message."""

    digest: float | None
    """Seconds that events are gathered for; None for one message each."""

    async def send_many(self, claims: Sequence[Claim]) -> Outcome: ...
