"""An HTTP endpoint: the event's bytes as they arrived, the headers that let it be verified there, a stable key.

Which headers: the original ones with the signature, so that an endpoint that verifies the provider today works
unchanged; an attempt that comes too late for the provider's tolerance is signed afresh. Credentials that callers sent
to us stay here unless ``forward_headers`` names them; what described the way to us (``Host``, hop-by-hop and forwarding
headers) ends here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from hookline import ids
from hookline.destinations.client import Answer, CallFailed, Client
from hookline.destinations.netguard import Blocked, Target
from hookline.errors import ConfigError
from hookline.model import Claim, Event, Headers, Outcome, State
from hookline.pacing import Limits
from hookline.payload import clean
from hookline.retry import Policy

if TYPE_CHECKING:
    from hookline.providers.base import Verifier

PLACES = 32
"""How many requests a process has open to one endpoint, where nobody said."""
MAX_HOPS = 5
"""How often an event may go round through gateways like us before it is stopped."""

_NEVER_LATE = 5.0
"""Seconds within which no provider's tolerance is half over: most attempts need not ask for it."""

_HOP = b"hookline-hop"
_ENDS_HERE = frozenset(
    b"host content-length connection keep-alive proxy-connection te trailer transfer-encoding upgrade expect"
    b" accept-encoding forwarded via x-real-ip x-client-ip true-client-ip cf-connecting-ip x-request-start".split()
)
_CREDENTIALS = frozenset(b"authorization cookie proxy-authorization x-amz-security-token".split())
_CREDENTIAL = re.compile(rb"(^|[-_])(token|secret|password|passwd|apikey|api[-_]key|auth[-_]key|access[-_]key)([-_]|$)")
_PREFIXES = (b"x-forwarded-", b"hookline-", b"proxy-")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", re.ASCII)
_NOT_FOR_USERS = re.compile(
    r"host|content-length|transfer-encoding|connection|expect|trailer|te|upgrade|cookie|idempotency-key"
    r"|(webhook|hookline|proxy|x-forwarded|metadata|x-aws)-.*",
    re.IGNORECASE,
)


class HttpDestination:
    """One endpoint with its connections."""

    interruptible = True
    suspect_after = 2

    def __init__(
        self,
        name: str,
        target: Target,
        client: Client,
        *,
        timeout: float = 15.0,
        policy: Policy | None = None,
        limits: Limits | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        forward_headers: Sequence[str] = (),
        signer: Verifier | None = None,
        verifiers: Callable[[str], Verifier | None] = lambda source: None,
        resign: str = "auto",
        keep: int = 16_384,
        now: Callable[[], float],
    ) -> None:
        """``signer`` adds Standard Webhooks headers; ``verifiers`` finds the verifier of a source, which can sign as
        its provider does. ``keep`` bytes of an answer are kept. ConfigError for a header that cannot work."""
        self.name = name
        self.timeout = timeout
        self.policy = policy or Policy()
        self.limits = limits or Limits()
        self.places = self.limits.concurrency or PLACES
        self._client = client
        self._method = method
        self._target = target
        self._own = _own_headers(name, headers or {})
        own = {key.lower() for key, _ in self._own}
        self._dropped = own | {b"idempotency-key"}
        self._forwarded = {header.lower().encode("latin-1", "replace") for header in forward_headers}
        self._signer = signer
        self._verifiers = verifiers
        self._resign = resign
        self._keep = keep
        self._now = now
        self._line = f"{method} {self._target.origin}{_without_query(self._target.path)}"

    async def send(self, claim: Claim) -> Outcome:
        event = claim.event
        hops = _hops(event.headers)
        if hops >= MAX_HOPS:
            return Outcome(
                state=State.FAILED, reason=f"stopped: it came through {hops} gateways already, so it goes in circles"
            )
        headers, note = self._headers(claim, hops)
        sent = self._line + note
        try:
            answer = await self._client.send(self._method, self._target, headers, event.item, seconds=self.timeout)
        except Blocked as problem:
            return Outcome(reason=f"blocked: {problem}", sent=sent)
        except CallFailed as problem:
            return Outcome(reason=problem.reason, unknown=problem.unknown, timed_out=problem.timed_out, sent=sent)
        return self._judge(answer, sent)

    def _judge(self, answer: Answer, sent: str) -> Outcome:
        status = answer.status
        phrase = f"HTTP {status} {clean(answer.reason, 60)}".rstrip()
        if 300 <= status < 400:
            where = clean((answer.header(b"location") or b"").decode("latin-1"), 200)
            phrase = f"{phrase}: redirects are not followed (to {where or 'nowhere'})"
        return Outcome(
            state=State.SUCCEEDED if 200 <= status < 300 else None,
            reason="" if 200 <= status < 300 else phrase,
            code=status,
            retry_after=None if status < 300 else read_retry_after(answer.header(b"retry-after"), self._now()),
            sent=sent,
            received=answer.body[: self._keep],
        )

    def _headers(self, claim: Claim, hops: int) -> tuple[Headers, str]:
        """What goes out, and what people should know of it."""
        event, now, note = claim.event, self._now(), ""
        whole = event.item is event.raw or event.item == event.raw
        young = self._resign == "auto" and now - event.received_at < _NEVER_LATE
        verifier = None if whole and (young or self._resign == "never") else self._verifiers(event.source)
        headers = self._originals(event)
        if not whole:  # the signature was made for the whole batch
            drop = verifier.single_headers if verifier is not None else frozenset()
            headers = [pair for pair in headers if pair[0].lower() not in drop and pair[0].lower() != b"content-type"]
            headers.append((b"Content-Type", b"application/json"))
        elif verifier is not None and self._is_late(verifier, event, now):
            signed = _sign_afresh(verifier, event, headers, now)
            if signed is not None:
                headers, note = signed, " (signed afresh)"
        headers.extend(self._own)
        key = event.idempotency_key.encode("latin-1", "replace")
        if self._signer is not None:
            headers = _signed(self._signer, headers, event, now)
            note += " (with a Standard Webhooks signature)"
        headers += [
            (b"Idempotency-Key", key),
            (b"Hookline-Event-Id", event.id.encode()),
            (b"Hookline-Delivery-Id", ids.show("dlv", claim.delivery).encode()),
            (b"Hookline-Attempt", b"%d" % claim.attempt),
            (b"Hookline-Hop", b"%d" % (hops + 1)),
        ]
        return headers, note

    def _originals(self, event: Event) -> Headers:
        kept = []
        for pair in event.headers:
            name = pair[0].lower()
            if name not in self._dropped and (_passes(name) or name in self._forwarded):
                kept.append(pair)
        return kept

    def _is_late(self, verifier: Verifier, event: Event, now: float) -> bool:
        if self._resign == "always":
            return True
        tolerance = verifier.binding.tolerance if verifier.provider.signs_time else None
        return tolerance is not None and now - event.received_at > tolerance / 2

    async def close(self) -> None:
        await self._client.close()


@lru_cache(4_096)
def _passes(name: bytes) -> bool:
    """Does an original header of this (lower-case) name go on by itself?"""
    return not (
        name in _ENDS_HERE or name in _CREDENTIALS or name.startswith(_PREFIXES) or _CREDENTIAL.search(name) is not None
    )


def _sign_afresh(verifier: Verifier, event: Event, headers: Headers, now: float) -> Headers | None:
    """The headers with the provider's signature of now, by the source's newest secret; None where only the provider
    can sign, or where it signs by changing the body."""
    try:
        signed = verifier.sign(event.item, now=now, id=event.provider_id, method=event.method, headers=headers)
    except ConfigError:
        return None
    return signed.headers if signed.body == event.item else None


def _signed(signer: Verifier, headers: Headers, event: Event, now: float) -> Headers:
    """With Standard Webhooks headers; the id stays the same over all attempts."""
    message = event.idempotency_key.replace(".", "_") or event.id
    names = signer.single_headers - {b"content-type"}
    others = [pair for pair in headers if pair[0].lower() not in names]
    stamped = signer.sign(event.item, now=now, id=message, headers=())
    return others + [pair for pair in stamped.headers if pair[0].lower() in names]


def _hops(headers: Headers) -> int:
    for name, value in headers:
        if name.lower() == _HOP:
            return int(value) if value.isdigit() and len(value) < 4 else MAX_HOPS
    return 0


def read_retry_after(value: bytes | None, now: float) -> float | None:
    """Seconds of a ``Retry-After`` header, as a number or a date; None for what is neither."""
    if value is None or len(value) > 64:
        return None
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10]) if len(text) <= 10 else 1e10
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _own_headers(name: str, headers: Mapping[str, str]) -> Headers:
    """Headers of the configuration. :raises ConfigError: for those that are ours, or would break the request."""
    if len(headers) > 20:
        raise ConfigError(f"destinations.{name}.headers: {len(headers)} headers are more than 20")
    found = []
    for key, value in headers.items():
        where = f"destinations.{name}.headers.{key}"
        if not _NAME.fullmatch(key):
            raise ConfigError(f"{where}: is no header name")
        if _NOT_FOR_USERS.fullmatch(key):
            raise ConfigError(f"{where}: Hookline sets this header itself, leave it out")
        if len(value) > 4_096 or any(char in value for char in "\r\n\0") or not _is_latin(value):
            raise ConfigError(f"{where}: a value is one line of at most 4096 Latin-1 characters")
        found.append((key.encode(), value.encode("latin-1")))
    return found


def _is_latin(text: str) -> bool:
    return all(ord(char) < 256 for char in text)


def _without_query(path: str) -> str:
    """For people: what follows the ``?`` may be a credential."""
    before, mark, _ = path.partition("?")
    return before + ("?…" if mark else "")
