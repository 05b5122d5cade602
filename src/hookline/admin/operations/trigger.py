"""Sending a correctly signed sample to our own public door, the way the provider would."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
import uuid
from contextlib import closing
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hookline import providers, samples
from hookline.admin.checkup import local_url
from hookline.admin.objects import Object
from hookline.admin.operations.base import Ask, Conflict, Desk, NotFound, Trouble, operation
from hookline.config import Config, Source, resolved_source
from hookline.ingest.entries import LIVE_ENVIRONMENTS
from hookline.ingest.triggers import HEADER, Mode, mark
from hookline.providers import Signed

MOST = 1_000
PATIENCE = 35.0
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
    source = find_source(desk.config, ask.name)
    return Samples(source=source.name, live=is_live(source), types=list(samples.types(source.provider)))


@operation("POST", "/sources/{name}/trigger", role="operator")
async def trigger_source(desk: Desk, ask: Trigger) -> Triggered:
    """Send a correctly signed sample to the public door.

    It is stored with the origin `trigger`. On a source of a live environment it runs nothing unless `run` says so.
    """
    source = find_source(desk.config, ask.name)
    runs = not is_live(source) if ask.run is None else ask.run
    mode: Mode = "run" if runs else "keep"
    key = await desk.store.shared_key()
    return await asyncio.to_thread(_send_all, desk, source, ask, mode, key)


def find_source(config: Config, name: str) -> Source:
    source = config.sources.get(name)
    if source is None:
        raise NotFound(_unknown("source", name, config.sources))
    return source


def _unknown(noun: str, name: str, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f"there is no {noun} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def is_live(source: Source) -> bool:
    return source.environment in LIVE_ENVIRONMENTS


def _send_all(desk: Desk, source: Source, ask: Trigger, mode: Mode, key: bytes) -> Triggered:
    kinds = samples.types(source.provider)
    if not kinds:
        raise Conflict(f"there is no sample of {source.provider}; send one of your own with `curl`")
    kind = ask.type or kinds[0]
    if kind not in kinds:
        raise NotFound(_unknown(f"{source.provider} sample", kind, kinds) + f"; there are {', '.join(kinds)}")
    bound, texts = resolved_source(source, desk.now)
    verifier = providers.bind(bound, texts)
    last: Triggered | None = None
    url = local_url(desk.config.server.public, bool(desk.config.server.certificate))
    with closing(_connection(url)) as connection:
        for index in range(ask.count):
            signed, name = _signed(verifier, source, kind, ask, desk.now)
            headers = [*signed.headers, (HEADER, mark(key, mode, signed.body, desk.now))]
            status, ms = _send(connection, url, source, msgspec.structs.replace(signed, headers=headers))
            last = Triggered(
                source=source.name,
                type=kind,
                status=status,
                provider_id=name,
                runs=mode == "run",
                ms=ms,
                count=index + 1,
            )
            if status >= 300:
                break
    assert last is not None
    return last


def _signed(
    verifier: providers.Verifier, source: Source, kind: str, ask: Trigger, now: float
) -> tuple[Signed, str | None]:
    name = str(uuid.uuid4())
    sample = samples.fresh(samples.load(source.provider, kind), set=ask.set, id=name, now=now)
    signed = verifier.sign(
        sample.body,
        now=now - 86_400 if ask.tamper == "time" else now,
        type=sample.type,
        id=sample.id,
        content_type=sample.content_type,
    )
    return _tampered(verifier, signed, ask.tamper), sample.id


def _tampered(verifier: providers.Verifier, signed: Signed, how: Tamper) -> Signed:
    """The request with one thing wrong, as an attacker or a broken proxy would have it."""
    if how == "body":
        return msgspec.structs.replace(signed, body=signed.body + b" ")
    if how == "signature":
        names = {name.lower().encode() for name in verifier.provider.scheme.headers()}
        headers = [(name, _spoiled(value) if name.lower() in names else value) for name, value in signed.headers]
        if headers == signed.headers:
            raise Trouble("tamper: this provider's signature is not in a header of its own: use body")
        return msgspec.structs.replace(signed, headers=headers)
    return signed


def _spoiled(value: bytes) -> bytes:
    """The same length and alphabet, one character different."""
    last = value[-1:]
    return value[:-1] + (b"0" if last != b"0" else b"1")


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False  # our own door on this machine, by its address
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(parts.netloc, timeout=PATIENCE, context=context)
    return http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)


def _send(connection: http.client.HTTPConnection, url: str, source: Source, request: Signed) -> tuple[int, float]:
    parts = urlsplit(request.url)
    target = (parts.path or source.path) + (f"?{parts.query}" if parts.query else "")
    began = time.perf_counter()
    try:
        connection.putrequest(request.method, target, skip_accept_encoding=True)
        for name, value in request.headers:
            if name.lower() not in (b"host", b"content-length"):
                connection.putheader(name.decode("latin-1"), value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as problem:
        why = str(problem) or type(problem).__name__
        raise Conflict(f"the public door at {url} cannot be reached ({why}): is `hookline serve` running?") from None
    return answer.status, round((time.perf_counter() - began) * 1000, 2)
