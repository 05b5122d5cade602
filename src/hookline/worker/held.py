"""What a worker holds: its claims, from the claim to the settlement. Shared with the thread that keeps the leases."""

from __future__ import annotations

import asyncio

from hookline.destinations.base import Destination
from hookline.model import Claim

Lease = tuple[int, int]
"""A delivery, and the number of its claim."""


class Held:
    """One claim in our hands."""

    __slots__ = ("claim", "destination", "elsewhere", "ended", "lost", "since", "started_at", "task")

    def __init__(self, claim: Claim, destination: Destination, since: float, started_at: float) -> None:
        self.claim = claim
        self.destination = destination
        self.since = since
        """Monotonic seconds of its start."""
        self.started_at = started_at
        """The same on the store's clock."""
        self.task: asyncio.Task[None] | None = None
        self.ended = False
        """The attempt is over; its settlement may still be on its way."""
        self.elsewhere = False
        """It runs, or waits to run, in a process of its own, which keeps its time."""
        self.lost = False
        """The lease is somebody else's by now: whatever comes of it is void."""

    def overdue(self, now: float, times: float = 1.0) -> bool:
        """Still running after ``times`` its timeout?"""
        return not self.ended and not self.elsewhere and now - self.since > times * self.destination.timeout
