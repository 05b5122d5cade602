"""Settings: one table, read from files < environment < flags, with every problem listed at once."""

from __future__ import annotations

from typing import Any

import msgspec


class SecretRef(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret is found: ``env:NAME``, ``file:PATH`` or the text itself; and until when it counts."""

    ref: str
    until: float | None = None


class Doc(msgspec.Struct, frozen=True, kw_only=True):
    """What people need to know of a source."""

    owner: str = ""
    purpose: str = ""
    rotate_every: float | None = None
    on_failure: str = ""
    runbook: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where events come from, as configured."""

    name: str
    provider: str
    environment: str
    path: str
    """``/webhooks/<name>`` unless the file says otherwise."""
    url: str
    """``public_url`` + ``path``: what the provider was told, and what URL-signing providers sign."""
    secrets: tuple[SecretRef, ...] = ()
    events: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    batch: str = "split"
    reply: dict[str, Any] | None = None
    addresses: tuple[str, ...] = ()
    require_https: bool = False
    max_body: int = 1 << 20
    rate: float | None = None
    tolerance: float | None = None
    dedupe_window: float = 900.0
    replayed_body: str = "hold"
    wrong_environment: str = "hold"
    on_duplicate: str = "redeliver"
    retired: bool = False
    doc: Doc = Doc()
    options: dict[str, Any] = {}
    """The provider's own keys: ``signature``, ``timestamp``, ``id``, ``type``, ``topic_arn``, …"""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which events go where, as configured."""

    name: str
    source: str
    events: tuple[str, ...] = ()
    when: dict[str, Any] | None = None
    to: tuple[str, ...] = ()
    ordering_key: str | None = None
    environment: str | None = None


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """One destination, as configured: ``type`` and its own ``options`` beside what all have."""

    name: str
    type: str
    schedule: tuple[float, ...] | None = None
    timeout: float = 15.0
    concurrency: int | None = None
    rate: float | None = None
    options: dict[str, Any] = {}


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """The ``[server]`` table, resolved."""

    public: str = "127.0.0.1:8080"
    admin: str = "127.0.0.1:8081"
    public_url: str = ""
    admin_url: str = ""
    store: str = "sqlite:///hookline.db"
    environment: str = "production"
    allow_private: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the files, the environment and the flags say, checked for shape."""

    server: Server
    sources: dict[str, Source]
    routes: tuple[Route, ...]
    destinations: dict[str, Destination]
    files: tuple[str, ...] = ()
