"""From a source's configuration to its verifier, and the checks alone for who wants only those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from hookline.config import Source
from hookline.errors import ConfigError, Rejected, Unavailable
from hookline.model import Headers, Reply, Request, Verified
from hookline.providers.base import Provider, Verifier, custom_reply, refuse_options
from hookline.providers.fields import check_path
from hookline.providers.keys import Keys
from hookline.providers.schemes.base import Binding
from hookline.providers.table import PROVIDERS


def configured(source: Source) -> Provider:
    """The row of a source's provider, as the source's own keys shape it. ConfigError for keys that it cannot use."""
    where = f"sources.{source.name}"
    row = PROVIDERS.get(source.provider)
    if row is None:
        near = get_close_matches(source.provider, PROVIDERS, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "hmac, token or basic suit senders without a name here"
        raise ConfigError(f'{where}.provider: "{source.provider}" is not known — {hint}')
    options = source.options
    refuse_options(row, options, where)
    if row.configure is not None:
        row = row.configure(row, options, where)
    for name in ("type", "id", "subject"):
        if name in options:
            row = msgspec.structs.replace(row, **{name: check_path(options[name], f"{where}.{name}")})
    return row


def bind(source: Source, secrets: Sequence[str], keys: Keys | None = None) -> Verifier:
    """The verifier of a source, made once for each (re)load.

    ``secrets`` are the resolved candidates, newest first: any of them may have signed, the first one signs. ``keys``
    holds public keys that live at a URL. ConfigError names the key of the file and the cure.
    """
    return bind_row(configured(source), source, secrets, keys)


def bind_row(row: Provider, source: Source, secrets: Sequence[str], keys: Keys | None) -> Verifier:
    """As ``bind``, for a row that is not the table's."""
    options = source.options
    if not secrets and row.learns_secret and "expect_until" not in options:
        raise ConfigError(
            f"sources.{source.name}.secrets: none yet, {row.title} sends it when the webhook is made"
            f" — run `hookline sources expect {source.name}`, then make the webhook"
        )
    binding = Binding(
        where=f"sources.{source.name}",
        secrets=secrets,
        options=options,
        keys=Keys() if keys is None else keys,
        tolerance=row.tolerance if source.tolerance is None else source.tolerance,
        url=str(options.get("public_url", source.url)),
    )
    return Verifier(row, binding, reply=custom_reply(source.reply), batch=source.batch)


def verify(
    name: str,
    *,
    method: str = "POST",
    url: str,
    headers: Headers | Sequence[tuple[str, str]] | Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: float,
    keys: Keys | None = None,
    **options: Any,
) -> Verified:
    """What a request of the provider ``name`` carries, or Rejected: nothing else, for any input.

    ``url`` is the one that the provider was told, with the query that came. ``now`` is in unix seconds. ``options`` are
    the source's keys of the configuration file, ``tolerance`` among them. A handshake is Rejected as ``handshake``, for
    answering it needs a door; a key that is not in ``keys``, with the status 503. ConfigError for an unknown provider
    or an unusable secret.
    """
    tolerance = options.pop("tolerance", None)
    place, _, query = url.partition("?")
    source = Source(name=name, provider=name, environment="", path="", url=place, tolerance=tolerance, options=options)
    verifier = bind(source, secrets, keys)
    path = "/" + place.partition("://")[2].partition("/")[2]
    request = Request(
        method=method,
        target=(f"{path}?{query}" if query else path).encode("utf-8", "surrogatepass"),
        headers=raw_headers(headers),
        body=body,
        received_at=now,
    )
    try:
        result = verifier.check(request, now)
    except Unavailable as later:
        raise Rejected(later.reason, 503) from later
    if isinstance(result, Reply):
        raise Rejected("handshake", result.status)
    return result


def raw_headers(headers: Headers | Sequence[tuple[str, str]] | Mapping[str, str]) -> Headers:
    """Headers of any library as raw pairs."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(_raw(name), _raw(value)) for name, value in pairs]


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
