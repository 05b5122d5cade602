"""Hookline: a self-hosted webhook gateway for Python teams.

The names below are the public surface. They are imported when they are used, so that a command line that needs none of
them starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookline.app import Hookline
    from hookline.errors import ConfigError, Rejected
    from hookline.handlers import Fail, Ignore, NeedsReview, Retry
    from hookline.model import Event, Verified, VerifiedEvent
    from hookline.providers import verify

__all__ = [
    "ConfigError",
    "Event",
    "Fail",
    "Hookline",
    "Ignore",
    "NeedsReview",
    "Rejected",
    "Retry",
    "Verified",
    "VerifiedEvent",
    "verify",
]

_HOMES = {
    "ConfigError": "hookline.errors",
    "Event": "hookline.model",
    "Fail": "hookline.handlers",
    "Hookline": "hookline.app",
    "Ignore": "hookline.handlers",
    "NeedsReview": "hookline.handlers",
    "Rejected": "hookline.errors",
    "Retry": "hookline.handlers",
    "Verified": "hookline.model",
    "VerifiedEvent": "hookline.model",
    "verify": "hookline.providers",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'hookline' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
