"""From references to texts: what a source's verifier and a destination are made with, at every (re)load."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hookline.config.settings import Destination, Source
from hookline.errors import ConfigError
from hookline.secrets import is_placeholder, is_reference, keep, show_reference, within_url
from hookline.secrets import resolve as resolve_reference

Resolve = Callable[[str], str]
_CREDENTIAL = re.compile("secret|token|passw|authorization|api[-_]?key|cookie", re.IGNORECASE)


def resolved_source(source: Source, now: float, resolve: Resolve = resolve_reference) -> tuple[Source, tuple[str, ...]]:
    """The source with the texts that its options refer to, and its secrets, the newest first. Those whose time ended
    before ``now`` (unix seconds) are left out.

    :raises ConfigError: naming the key, for the first text that cannot be had; the content is never shown.
    """
    where = f"sources.{source.name}"
    found = []
    for index, secret in enumerate(source.secrets):
        if secret.until is None or secret.until > now:
            key = f"{where}.secrets[{index}]"
            text = _text(secret.ref, key, resolve)
            if is_placeholder(text):
                raise ConfigError(f"{key}: {show_reference(secret.ref)} holds a placeholder — copy the real secret")
            found.append(text)
    if source.secrets and not found:
        raise ConfigError(f"{where}.secrets: every secret has ended — add the new one")
    options = _texts(source.options, where, resolve)
    return (msgspec.structs.replace(source, options=options) if options != source.options else source), tuple(found)


def resolved_destination(destination: Destination, resolve: Resolve = resolve_reference) -> Destination:
    """The destination with the texts that its options refer to.

    :raises ConfigError: naming the key, for the first text that cannot be had.
    """
    options = _texts(destination.options, f"destinations.{destination.name}", resolve)
    _keep_written_out(options)
    return msgspec.structs.replace(destination, options=options) if options != destination.options else destination


def _keep_written_out(value: Any, key: str = "") -> None:
    """Credentials that stand in the file itself, against advice, are as secret as those that it refers to."""
    if isinstance(value, str):
        if _CREDENTIAL.search(key):
            keep(value)
        elif "://" in value:
            keep(*within_url(value))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _keep_written_out(item, name)
    elif isinstance(value, list | tuple):
        for item in value:
            _keep_written_out(item, key)


def _texts(value: Any, key: str, resolve: Resolve) -> Any:
    """References within tables and lists replaced by what they stand for."""
    if isinstance(value, str):
        return _text(value, key, resolve) if is_reference(value) else value
    if isinstance(value, Mapping):
        return {name: _texts(item, f"{key}.{name}", resolve) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_texts(item, f"{key}[{index}]", resolve) for index, item in enumerate(value)]
    return value


def _text(ref: str, key: str, resolve: Resolve) -> str:
    try:
        text = resolve(ref)
    except ConfigError as trouble:
        raise ConfigError(f"{key}: {trouble}") from None
    keep(text)
    return text
