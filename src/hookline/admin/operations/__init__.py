"""Everything that the API and the command line can do: one table, filled by the modules here."""

from __future__ import annotations

from hookline.admin.operations import (
    destinations,
    erase,
    events,
    replays,
    requests,
    sources,
    stats,
    tokens,
    trial,
    trigger,
)
from hookline.admin.operations.base import OPERATIONS

__all__ = [
    "OPERATIONS",
    "destinations",
    "erase",
    "events",
    "replays",
    "requests",
    "sources",
    "stats",
    "tokens",
    "trial",
    "trigger",
]
