"""How a worker holds what it claims."""

from __future__ import annotations

import msgspec

from hookline.config import Config


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, unless it says otherwise."""

    lease: float = 60.0
    renew: float = 15.0
    drain: float = 30.0
    """From the order to stop until what still runs is handed back."""
    poll: float = 1.0
    """Between two looks for work that nobody announced: retries that become due, lost wake-ups."""
    crashes: int = 5
    """While running one delivery, after which it needs review."""
    crash_pause: float = 5.0
    """Before a delivery that crashed its process is tried again; doubled with each crash."""
    most: int = 4_096
    """Claims in hand, so that memory has a bound."""

    @classmethod
    def of(cls, config: Config) -> WorkerSettings:
        delivery = config.delivery
        return cls(lease=delivery.lease, renew=delivery.renew, drain=config.server.drain, crashes=delivery.crashes)
