"""The ways we say no. Everything else that is raised is a bug."""

from __future__ import annotations


class HooklineError(Exception):
    """Base of what this package raises on purpose."""


class ConfigError(HooklineError):
    """A setting, secret or provider that cannot be used. The message says what, where and what to do."""


class Rejected(HooklineError):
    """A request that is not what its source sends: nothing of it is stored as an event.

    ``reason`` is one short phrase of a fixed vocabulary (``bad signature``, ``stale timestamp``, …) that logs,
    counters and the request log share; ``status`` is the HTTP status the provider expects for it.
    """

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Unavailable(HooklineError):
    """We cannot tell, or cannot keep it, right now: answer 503 with ``Retry-After``, never a 2xx and never a 401."""

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
