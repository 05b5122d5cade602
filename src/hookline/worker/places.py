"""What may start now: the places of each destination in this process, and who might want more of them.

A place is taken from the claim to the end of the attempt; where the installation has a limit, until the settlement is
on its way, because the store counts the lease until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hookline.destinations.base import Destination
from hookline.model import Settlement
from hookline.store.base import Want
from hookline.worker.held import Held, Lease


class Places:
    """Counts, destination by destination, so that one that hangs holds only its own."""

    def __init__(self, destinations: Mapping[str, Destination], most: int) -> None:
        """``most`` claims in hand, of all destinations together."""
        self._destinations = destinations
        self._most = most
        self._running = dict.fromkeys(destinations, 0)
        self._leased = dict.fromkeys(destinations, 0)
        self._plain: dict[str, dict[Lease, Held]] = {
            name: {} for name, destination in destinations.items() if not destination.interruptible
        }
        self._full: set[str] = set()

    def wants(self, in_hand: int, now: float) -> dict[str, Want]:
        """What to ask the store for; ``now`` in monotonic seconds."""
        left = self._most - in_hand
        wants = {}
        for name, destination in self._destinations.items():
            limits = destination.limits
            taken = self._running[name] if limits.concurrency is None else self._leased[name]
            free = min(destination.places - taken, left)
            if free <= 0 or self._blocked(name, now):
                self._full.add(name)
            else:
                wants[name] = Want(free, limits.concurrency, limits.rate, limits.burst, limits.breaker, limits.judge)
        return wants

    def answered(self, wants: Mapping[str, Want], counts: Mapping[str, int]) -> None:
        """The store gave ``counts``: who got all that it asked for may have more waiting."""
        for name, want in wants.items():
            if counts[name] >= want.slots:
                self._full.add(name)
            elif not self._held_back(name):
                self._full.discard(name)

    def take(self, held: Held) -> None:
        name = held.claim.destination
        self._running[name] += 1
        self._leased[name] += 1
        if not held.destination.interruptible:
            self._plain[name][held.claim.delivery, held.claim.lease] = held

    def free(self, held: Held) -> bool:
        """Its attempt is over. True where more may be waiting for the place."""
        name = held.claim.destination
        self._running[name] -= 1
        if not held.destination.interruptible:
            self._plain[name].pop((held.claim.delivery, held.claim.lease), None)
        return name in self._full

    def under_way(self, batch: Iterable[Settlement], change: int) -> bool:
        """Settlements are on their way to the store (-1), or came back (+1): a claim that follows them shares their
        transaction or comes after it. True where more may be waiting."""
        for settlement in batch:
            self._leased[settlement.claim.destination] += change
        return bool(self._full)

    def is_running(self) -> bool:
        return any(self._running.values())

    def _held_back(self, name: str) -> bool:
        """May the store have given less than there is, because of a limit that our own settlements will ease?"""
        return self._leased[name] > 0 and self._destinations[name].limits.concurrency is not None

    def _blocked(self, name: str, now: float) -> bool:
        """Does one of its plain functions run past its timeout? Nothing can stop it, so nothing new is started."""
        oldest = next(iter(self._plain.get(name, {}).values()), None)
        return oldest is not None and oldest.overdue(now)
