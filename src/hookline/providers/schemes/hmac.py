"""HMAC over a text made of the body and whatever else: what nine providers of ten do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hmac import compare_digest

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts, draft_facts
from hookline.providers.fields import Peek, moment
from hookline.providers.schemes.base import MAX_SIGNATURES, Binding, Match, Stamp, within
from hookline.providers.schemes.mac import ALGORITHMS, ENCODINGS, Mac, decode_key

Parts = Callable[[Facts, bytes], Sequence[bytes]]
"""What is signed, given the facts and the raw timestamp: pieces that are hashed one after the other."""


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """How several things share the signature's header: ``t=1,v1=ab,v1=cd`` or ``v1,ab v1,cd``."""

    separator: str = ","
    assign: str = "="
    signature: str = "v1"
    """The label of the signatures that count; all others are ignored, so that nobody talks us into a weaker one."""
    time: str = ""


class Hmac(msgspec.Struct, frozen=True, kw_only=True):
    """A keyed hash in a header."""

    header: str
    others: tuple[str, ...] = ()
    """More headers that may carry a signature: any one that fits is enough."""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    signs: str | Parts = "{body}"
    """A template of ``{body}``, ``{timestamp}``, ``{url}``, ``{method}`` and ``{header.X-Name}``, or a function."""
    also: tuple[str, ...] = ()
    """Headers that a function in ``signs`` reads."""
    items: Items | None = None
    time: Stamp | None = None
    key: str = "text"
    repeats: bool = False
    """Whether the header may come several times: how some rotate their secrets."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Headers that must say exactly this: the algorithm is never a stranger's choice."""
    fill: Callable[[Draft], None] | None = None
    """Prepares a draft before it is signed, where the signed text needs more than the draft has."""

    def headers(self) -> tuple[str, ...]:
        return (
            self.header,
            *self.others,
            *self.also,
            *(name for name, _ in self.fixed),
            *self._template_headers(),
            *self._time_header(),
        )

    def repeated(self) -> tuple[str, ...]:
        return (self.header,) if self.repeats else ()

    def bind(self, binding: Binding) -> HmacCheck:
        if self.algorithm not in ALGORITHMS:
            raise ConfigError(f"{binding.where}.signature.algorithm: one of {', '.join(ALGORITHMS)}")
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"{binding.where}.signature.encoding: one of {', '.join(ENCODINGS)}")
        macs = [
            Mac(decode_key(secret, self.key, binding.secret_at(index)), self.algorithm)
            for index, secret in enumerate(binding.need_secrets())
        ]
        return HmacCheck(self, macs, binding)

    def _template_headers(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{header\.([^}]+)\}", self.signs)) if isinstance(self.signs, str) else ()

    def _time_header(self) -> tuple[str, ...]:
        return (self.time.header,) if self.time and self.time.header else ()


class HmacCheck:
    """An Hmac with its keys."""

    sends_secret = False

    def __init__(self, scheme: Hmac, macs: list[Mac], binding: Binding) -> None:
        self.scheme = scheme
        self.macs = macs
        self.tolerance = binding.tolerance
        self.time = scheme.time
        self._names = tuple(name.lower().encode() for name in (scheme.header, *scheme.others))
        self._time_name = scheme.time.header.lower().encode() if scheme.time else b""
        self._fixed = [(name.lower().encode(), value.encode()) for name, value in scheme.fixed]
        self._encode = ENCODINGS[scheme.encoding]
        self._parts = scheme.signs if callable(scheme.signs) else template(scheme.signs, binding.where)
        self._prefix = scheme.prefix.encode()
        self._body_time = Peek((scheme.time.body,)) if scheme.time and scheme.time.body else None

    def check(self, facts: Facts) -> Match:
        candidates, said = self._candidates(facts)
        for name, value in self._fixed:
            if facts.found.get(name) != value:
                raise Rejected("wrong algorithm")
        signed_at = None
        stamp = self.time
        raw_time = b""
        if stamp is not None and self._body_time is None:
            if stamp.header:
                said = facts.found.get(self._time_name)
            signed_at = stamp.read(said)
            raw_time = said or b""
        parts = self._parts(facts, raw_time)
        matched = -1
        for index, mac in enumerate(self.macs):  # every secret and every signature: no early exit to time
            expected = self._encode(mac.digest(parts))
            for candidate in candidates:
                if compare_digest(expected, candidate) and matched < 0:
                    matched = index
        if matched < 0:
            raise Rejected(BAD)
        if stamp is not None and self._body_time is not None:
            signed_at = moment(self._body_time(facts.body)[0], stamp.unit)
        if signed_at is not None:
            within(signed_at, facts.now, self.tolerance)
        return Match(matched, signed_at)

    def sign(self, draft: Draft) -> None:
        scheme = self.scheme
        written = b""
        for name, value in scheme.fixed:
            draft.set(name, value)
        if scheme.time and not scheme.time.body:
            written = scheme.time.write(draft.now).encode()
            if scheme.time.header:
                draft.set(scheme.time.header, written)
        if scheme.fill:
            scheme.fill(draft)
        signature = self._encode(self.macs[0].digest(self._parts(draft_facts(draft), written)))
        if scheme.items is None:
            draft.set(scheme.header, self._prefix + signature)
            return
        items = [(scheme.items.signature, signature)]
        if scheme.items.time:
            items.insert(0, (scheme.items.time, written))
        assign = scheme.items.assign.encode()
        draft.set(
            scheme.header,
            scheme.items.separator.encode().join(label.encode() + assign + value for label, value in items),
        )

    def _candidates(self, facts: Facts) -> tuple[list[bytes], bytes | None]:
        """The signatures that the request carries, and the time beside them. Rejected if there is none."""
        found = facts.found
        scheme = self.scheme
        values = [value for name in self._names if (value := found.get(name)) is not None]
        if not values:
            raise Rejected(MISSING)
        if scheme.items is not None:
            return _split(values, scheme.items)
        if scheme.repeats:
            values = [part.strip() for value in values for part in value.split(b",", MAX_SIGNATURES)]
        prefix = self._prefix
        if prefix:
            values = [value[len(prefix) :] for value in values if value.startswith(prefix)]
        if not values:
            raise Rejected(MALFORMED)
        return values[:MAX_SIGNATURES], None


def _split(values: list[bytes], items: Items) -> tuple[list[bytes], bytes | None]:
    signatures: list[bytes] = []
    time = None
    label, clock, assign = items.signature.encode(), items.time.encode(), items.assign.encode()
    for value in values:
        for item in value.split(items.separator.encode(), MAX_SIGNATURES * 2):
            name, _, content = item.strip().partition(assign)
            if name == label:
                signatures.append(content)
            elif clock and name == clock:
                if time is not None:
                    raise Rejected(MALFORMED)
                time = content
    if not signatures:
        raise Rejected(MALFORMED)
    return signatures[:MAX_SIGNATURES], time


def template(text: str, where: str) -> Parts:
    """``"{timestamp}.{body}"`` as a function. ConfigError for a name that it does not know."""
    if text == "{body}":
        return lambda facts, time: (facts.body,)
    pieces: list[Callable[[Facts, bytes], bytes]] = []
    for literal, name in re.findall(r"([^{]*)(?:\{([^}]*)\})?", text):
        if literal:
            pieces.append(_literal(literal.encode()))
        if name:
            pieces.append(_piece(name, where))
    return lambda facts, time: [piece(facts, time) for piece in pieces]


def _literal(fixed: bytes) -> Callable[[Facts, bytes], bytes]:
    return lambda facts, time: fixed


def _piece(name: str, where: str) -> Callable[[Facts, bytes], bytes]:
    match name:
        case "body":
            return lambda facts, time: facts.body
        case "timestamp":
            return lambda facts, time: time
        case "url":
            return lambda facts, time: facts.url
        case "method":
            return lambda facts, time: facts.request.method.encode()
    if name.startswith("header."):
        key = name.removeprefix("header.").lower().encode()
        return lambda facts, time: facts.found.get(key, b"")
    names = "{body}, {timestamp}, {url}, {method} or {header.X-Name}"
    raise ConfigError(f"{where}.signature.signs: {{{name}}} is not known — use {names}")
