"""A request as a provider would send it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from hookline import providers, samples
from hookline.config import Source
from hookline.errors import ConfigError
from hookline.providers import Signed, Verifier

URL = "https://hooks.example.com"


def signed(
    provider: str,
    type: str | None = None,
    secret: str | None = None,
    *,
    set: Mapping[str, Any] | None = None,
    body: bytes | Mapping[str, Any] | None = None,
    id: str | None = None,
    url: str | None = None,
    now: float | None = None,
    **options: Any,
) -> Signed:
    """A correctly signed request: ``method``, ``url``, ``headers`` (pairs of bytes) and ``body``, ready to be posted.

    :param type: which of the samples (``hookline.samples.types("stripe")``); with ``body``, what the event is called.
    :param secret: what it is signed with; without, the one to practise with that ``hookline.providers`` has.
    :param set: fields of the sample that are to be something else: ``{"data.object.id": "in_1"}``.
    :param body: your own instead of a sample's, as bytes or as what becomes JSON.
    :param id: the event's id; a new one otherwise.
    :param url: what the provider was told; it matters to those who sign it.
    :param now: unix seconds; the present otherwise.
    :param options: the source's other keys of the settings file.
    :raises ConfigError: for a provider, type or option that is not there.
    """
    practice = providers.practice(provider)
    source = Source(
        name=provider,
        provider=provider,
        environment="production",
        path=f"/webhooks/{provider}",
        url=url or f"{URL}/webhooks/{provider}",
        options={**practice.options, **options},
    )
    secrets = practice.secrets if secret is None else (secret,)
    verifier = providers.bind(source, secrets, practice.keys)
    return sign(verifier, type, set=set, body=body, id=id, now=time.time() if now is None else now)


def sign(
    verifier: Verifier,
    type: str | None,
    *,
    set: Mapping[str, Any] | None = None,
    body: bytes | Mapping[str, Any] | None = None,
    id: str | None = None,
    now: float,
) -> Signed:
    """The same with a source's verifier."""
    id = id or str(uuid.uuid4())
    if body is not None:
        if set:
            raise ConfigError("set= changes a sample: with body= say everything there")
        content = body if isinstance(body, bytes) else msgspec.json.encode(dict(body))
        return verifier.sign(content, now=now, type=type, id=id)
    provider = verifier.provider.name
    if type is None:
        known = samples.types(provider)
        raise ConfigError(f"{provider}: which type? There are samples of {', '.join(known) or 'none: give a body='}")
    sample = samples.fresh(samples.load(provider, type), set=set, id=id, now=now)
    return verifier.sign(sample.body, now=now, type=sample.type, id=sample.id, content_type=sample.content_type)
