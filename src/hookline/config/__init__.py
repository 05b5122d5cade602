"""Settings: one table, read from code < files < environment < flags, with every problem listed at once."""

from __future__ import annotations

from hookline.config.layers import CODE_ENV
from hookline.config.load import load, read
from hookline.config.references import resolved_destination, resolved_source
from hookline.config.settings import (
    Alerts,
    Config,
    DeliverySettings,
    Destination,
    Doc,
    Limits,
    Problem,
    Retention,
    Route,
    SecretRef,
    Server,
    Source,
)
from hookline.secrets import Secret, resolve

__all__ = [
    "CODE_ENV",
    "Alerts",
    "Config",
    "DeliverySettings",
    "Destination",
    "Doc",
    "Limits",
    "Problem",
    "Retention",
    "Route",
    "Secret",
    "SecretRef",
    "Server",
    "Source",
    "load",
    "read",
    "resolve",
    "resolved_destination",
    "resolved_source",
]
