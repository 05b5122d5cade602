"""How much somebody may ask for: a bucket per source, and one per address for what does not verify."""

from __future__ import annotations

_MOST_STRANGERS = 10_000


class Bucket:
    """Tokens that come back at ``rate`` a second; ``burst`` of them at most, one second's worth unless said."""

    __slots__ = ("burst", "filled_at", "rate", "tokens")

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = max(1.0, rate if burst is None else burst)
        self.tokens = self.burst
        self.filled_at = 0.0

    def take(self, now: float) -> bool:
        """One token, if there is one. ``now`` in seconds of any clock, always the same."""
        self.tokens = min(self.burst, self.tokens + max(0.0, now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def wait(self) -> int:
        """Whole seconds until the next token."""
        return max(1, int((1.0 - self.tokens) / self.rate) + 1) if self.rate > 0 else 60


class Strangers:
    """A budget per address for requests that do not verify. It bounds what they cost in log and attention; a genuine
    request from the same address is never refused for it, for providers share their addresses among all customers."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, Bucket] = {}

    def take(self, neighbourhood: str, now: float) -> Bucket | None:
        """None while the address is within its budget, else its empty bucket."""
        bucket = self._buckets.get(neighbourhood)
        if bucket is None:
            if len(self._buckets) >= _MOST_STRANGERS:
                self._forget(now)
            bucket = self._buckets[neighbourhood] = Bucket(self._rate, 2 * self._rate)
        return None if bucket.take(now) else bucket

    def _forget(self, now: float) -> None:
        """Drop the full buckets, and all of them where a flood of addresses left none full."""
        full = 2 / max(self._rate, 0.1) + 2
        self._buckets = {name: kept for name, kept in self._buckets.items() if now - kept.filled_at < full}
        if len(self._buckets) >= _MOST_STRANGERS:
            self._buckets.clear()


class Seldom:
    """Says whether something may be said again: once a minute for each, since strangers may cause what is logged."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def __call__(self, what: str, whom: str, now: float) -> bool:
        """``now`` in seconds of any clock, always the same."""
        if now - self._said.get((what, whom), -self._seconds) < self._seconds:
            return False
        self._said[what, whom] = now
        return True
