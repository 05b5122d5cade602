"""Sending a correctly signed sample to our own public door, the way the provider would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hookline.admin.objects import Object
from hookline.admin.operations.base import Ask, Desk, NotFound, operation
from hookline.admin.operations.bound import with_secrets
from hookline.config import Config, Source

MOST = 1_000
Tamper = Literal["", "body", "signature", "time"]


class Trigger(Ask):
    name: str
    type: Annotated[str, Meta(description="Event type; the provider's first sample without it.")] = ""
    set: Annotated[dict[str, Any], Meta(description='Values by path: `{"data.object.amount": 100}`.')] = msgspec.field(
        default_factory=dict
    )
    count: Annotated[int, Meta(ge=1, le=MOST, description="How many, each with an id of its own.")] = 1
    tamper: Annotated[Tamper, Meta(description="Spoil it on the way, to see it rejected.")] = ""
    run: Annotated[bool | None, Meta(description="Deliver it too; null for: unless the source is live.")] = None


class Triggered(Object, kw_only=True):
    """What a sample came to at the door."""

    source: str
    type: str
    status: Annotated[int, Meta(description="What the door answered.")]
    provider_id: str | None = None
    runs: bool
    ms: float = 0.0
    count: int = 1


class Samples(Object, kw_only=True):
    """What can be triggered at a source."""

    source: str
    live: bool
    types: list[str]


class Name(Ask):
    name: str


@operation("GET", "/sources/{name}/samples")
async def list_samples(desk: Desk, ask: Name) -> Samples:
    """The event types that a source can be triggered with."""
    from hookline import samples  # brings all providers with it

    source = find_source(desk.config, ask.name)
    return Samples(source=source.name, live=is_live(source), types=list(samples.types(source.provider)))


@operation("POST", "/sources/{name}/trigger", role="operator")
async def trigger_source(desk: Desk, ask: Trigger) -> Triggered:
    """Send a correctly signed sample to the public door.

    It is stored with the origin `trigger`. On a source of a live environment it runs nothing unless `run` says so.
    """
    from hookline.admin.operations.send import send_all  # brings all providers with it

    source = find_source(desk.config, ask.name)
    runs = not is_live(source) if ask.run is None else ask.run
    key = await desk.store.shared_key()
    bound, texts = await with_secrets(desk, source)
    return await asyncio.to_thread(send_all, desk, bound, texts, ask, "run" if runs else "keep", key)


def find_source(config: Config, name: str) -> Source:
    source = config.sources.get(name)
    if source is None:
        raise NotFound(unknown("source", name, config.sources))
    return source


def unknown(noun: str, name: str, known: Iterable[str]) -> str:
    """A sentence for a name that is none, with the one that was perhaps meant."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f"there is no {noun} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def is_live(source: Source) -> bool:
    """Whether what happens there happens to real people."""
    from hookline.ingest.entries import LIVE_ENVIRONMENTS

    return source.environment in LIVE_ENVIRONMENTS
