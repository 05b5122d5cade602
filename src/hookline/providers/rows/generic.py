"""Schemes without a provider: what a user configures, without code, for in-house senders and everybody not listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.errors import ConfigError
from hookline.providers.base import Provider
from hookline.providers.schemes.base import Stamp
from hookline.providers.schemes.hmac import Hmac, Items

UNITS = ("s", "ms", "iso")
KEYS = ("text", "hex", "base64", "whsec")


def table(options: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> dict[str, Any]:
    """A sub-table of a source's options, with no keys but the allowed ones. ConfigError otherwise."""
    value = options.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f'{where}.{key}: a table is wanted, as in {key} = {{ {allowed[0]} = "…" }}')
    for name in value:
        if name not in allowed:
            raise ConfigError(f"{where}.{key}.{name}: not known; use {', '.join(allowed)}")
    return dict(value)


def word(value: dict[str, Any], key: str, default: str, where: str, one_of: tuple[str, ...] = ()) -> str:
    said = value.get(key, default)
    if not isinstance(said, str) or (one_of and said not in one_of):
        wanted = f"one of {', '.join(one_of)}" if one_of else "a text is wanted"
        raise ConfigError(f"{where}.{key}: {wanted}")
    return said


def header(value: dict[str, Any], where: str) -> str:
    name = word(value, "header", "", where)
    if not name or not name.isascii() or any(char in name for char in ' :\r\n"'):
        raise ConfigError(f'{where}.header: a header\'s name is wanted, as in "X-Signature"')
    return name


def _seconds(value: object, where: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})(s|m|h)?", str(value).strip())
    if not found:
        raise ConfigError(f'{where}: a time is wanted, as in "5m"')
    return int(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2] or "s"]


_SIGNATURE = (
    "header",
    "algorithm",
    "encoding",
    "prefix",
    "signs",
    "key",
    "separator",
    "label",
    "assign",
    "time",
    "repeats",
)


def _hmac(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    said = table(options, "signature", _SIGNATURE, where)
    at = f"{where}.signature"
    items = None
    if "label" in said or "separator" in said:
        items = Items(
            separator=word(said, "separator", ",", at) or ",",
            assign=word(said, "assign", "=", at) or "=",
            signature=word(said, "label", "v1", at),
            time=word(said, "time", "", at),
        )
    stamp = None
    clock: dict[str, Any] = {}
    if "timestamp" in options or (items and items.time):
        clock = table(options, "timestamp", ("header", "unit", "tolerance"), where)
        unit = word(clock, "unit", "s", f"{where}.timestamp", UNITS)
        stamp = Stamp(header="" if items and items.time else header(clock, f"{where}.timestamp"), unit=unit)
    signs = word(said, "signs", "{timestamp}.{body}" if stamp else "{body}", at)
    if "{timestamp}" in signs and stamp is None:
        raise ConfigError(
            f'{where}.timestamp: missing — {{timestamp}} is signed, so write timestamp = {{ header = "X-Time" }}'
        )
    if "{body}" not in signs:
        raise ConfigError(f"{at}.signs: {{body}} is missing — a signature that does not cover the body proves nothing")
    scheme = Hmac(
        header=header(said, at),
        algorithm=word(said, "algorithm", "sha256", at),
        encoding=word(said, "encoding", "hex", at),
        prefix="" if items else word(said, "prefix", "", at),
        signs=signs,
        items=items,
        time=stamp,
        key=word(said, "key", "text", at, KEYS),
        repeats=bool(said.get("repeats", False)),
    )
    return msgspec.structs.replace(
        row,
        scheme=scheme,
        signs_time="{timestamp}" in signs,
        tolerance=_seconds(clock.get("tolerance", 300), f"{where}.timestamp.tolerance") if stamp else None,
    )


HMAC = Provider(
    name="hmac",
    title="Any sender that signs with an HMAC",
    docs="https://en.wikipedia.org/wiki/HMAC",
    scheme=Hmac(header="X-Signature"),
    credential="the text (or, with key = …, the hex or base64) that both sides share",
    options=frozenset({"signature", "timestamp"}),
    configure=_hmac,
)

ROWS = (HMAC,)
