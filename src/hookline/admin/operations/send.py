"""Making and sending signed samples: what ``trigger`` does once it is clear that it may."""

from __future__ import annotations

import http.client
import ssl
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import urlsplit

import msgspec

from hookline import providers, samples
from hookline.admin.checkup import local_url
from hookline.admin.operations.base import Conflict, Desk, NotFound, Trouble
from hookline.admin.operations.trigger import Tamper, Trigger, Triggered, unknown
from hookline.config import Source
from hookline.ingest.triggers import HEADER, Mode, mark
from hookline.providers import Signed

PATIENCE = 35.0


def send_all(desk: Desk, source: Source, texts: Sequence[str], ask: Trigger, mode: Mode, key: bytes) -> Triggered:
    """Send what was asked for, one after the other; stops at the first that the door does not take."""
    kinds = samples.types(source.provider)
    if not kinds:
        raise Conflict(f"there is no sample of {source.provider}; send one of your own with `curl`")
    kind = ask.type or kinds[0]
    if kind not in kinds:
        no_sample = unknown(f"{source.provider} sample", kind, kinds)
        raise NotFound(
            f"{no_sample}{' ' if no_sample.endswith('?') else ': '}`hookline trigger {source.name} --types` lists them"
        )
    verifier = providers.bind(source, texts)
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
    if ask.tamper == "time" and not verifier.provider.signs_time:
        raise Trouble(f"tamper: {source.provider} signs no time: spoil the body or the signature")
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
