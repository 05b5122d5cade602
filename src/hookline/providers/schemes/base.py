"""What every way of signing can do: be bound to secrets, then check and sign."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.providers.facts import AHEAD, BAD_TIME, NO_TIME, STALE, Draft, Facts
from hookline.providers.fields import moment
from hookline.providers.keys import Keys

MAX_SIGNATURES = 8
"""In one request: rotation needs two, and every one costs a comparison."""


class Match(NamedTuple):
    """The signature is right."""

    secret: int
    """Which of the candidates made it."""
    signed_at: float | None = None


class Check(Protocol):
    """A scheme with its secrets."""

    sends_secret: bool
    """Whether the secret itself travels in every request: then it is no leak to find it there."""

    def check(self, facts: Facts) -> Match:
        """Rejected unless one of the secrets made the signature; Unavailable if that cannot be told now."""
        ...

    def sign(self, draft: Draft) -> None:
        """Signs with the first secret. ConfigError where only the provider has the private key."""
        ...


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What a scheme is bound to."""

    where: str
    """For messages: ``sources.stripe``."""
    secrets: Sequence[str]
    options: Mapping[str, Any] = {}
    keys: Keys
    tolerance: float | None = None
    """Seconds to either side; None for no limit."""
    url: str = ""

    def secret_at(self, index: int) -> str:
        return f"{self.where}.secrets[{index}]"

    def need_secrets(self) -> Sequence[str]:
        if not self.secrets and "expect_until" not in self.options:
            raise ConfigError(f'{self.where}.secrets: missing — write secrets = ["env:NAME"]')
        return self.secrets


class Scheme(Protocol):
    """A way of signing, as a value in a provider's row."""

    def headers(self) -> tuple[str, ...]:
        """Headers that it reads: they may come once only."""
        ...

    def repeated(self) -> tuple[str, ...]:
        """Those of them that may come several times."""
        ...

    def bind(self, binding: Binding) -> Check:
        """ConfigError for secrets or options that cannot be used."""
        ...


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """The time in a request: its header (or, without one, an item of the signature's header), and how it is written."""

    header: str = ""
    body: str = ""
    """The JSON field that holds it, where it is signed as part of the body."""
    unit: str = "s"
    """``s``, ``ms`` or ``iso``."""
    least: int = 10
    """Digits that a number of seconds or milliseconds must have; 13 at most."""

    def read(self, raw: bytes | None) -> float:
        """Unix seconds; Rejected for anything but plain digits (or an ISO time). No ``int()`` on unbounded input."""
        if raw is None:
            raise Rejected(NO_TIME)
        if self.unit == "iso":
            seconds = moment(raw, "iso")
        elif self.least <= len(raw) <= 13 and _DIGITS(raw):
            seconds = int(raw) / (1000 if self.unit == "ms" else 1)
        else:
            seconds = None
        if seconds is None:
            raise Rejected(BAD_TIME)
        return seconds

    def write(self, now: float) -> str:
        if self.unit == "iso":
            return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return str(int(now * 1000) if self.unit == "ms" else int(now))


_DIGITS = re.compile(rb"[0-9]+").fullmatch


def within(signed_at: float, now: float, tolerance: float | None) -> None:
    """Rejected outside the tolerance, which is inclusive at both ends. Ask only after the signature held."""
    if tolerance is None:
        return
    if now - signed_at > tolerance:
        raise Rejected(STALE)
    if signed_at - now > tolerance:
        raise Rejected(AHEAD)
