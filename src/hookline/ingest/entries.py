"""What the door has ready for each path: one lookup leads to everything that a request of a source needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

import msgspec
import structlog

from hookline import providers
from hookline.config import Config, Source, resolved_source
from hookline.config import resolve as resolve_secret
from hookline.errors import ConfigError
from hookline.ingest.addresses import networks, within
from hookline.ingest.leaks import Needles
from hookline.ingest.pace import Bucket
from hookline.ingest.replies import FORBIDDEN, GONE, UNSUPPORTED, plain
from hookline.model import Reply
from hookline.providers import Verifier
from hookline.secrets import keep

log = structlog.get_logger("hookline.ingest")

LIVE_ENVIRONMENTS = frozenset({"production", "prod", "live"})
"""Where events of a provider's test mode do not belong; everywhere else it is the live ones that do not."""


class Refusal(msgspec.Struct, frozen=True):
    """A request that is turned away for what its head says: the answer, and the reason for the log."""

    reply: Reply
    reason: str


_FROM_ELSEWHERE = Refusal(FORBIDDEN, "address not allowed")
_PLAIN_HTTP = Refusal(FORBIDDEN, "plain http")
_RETIRED = Refusal(GONE, "retired")
_CONTENT_TYPE = Refusal(UNSUPPORTED, "content type")
_ENCODED = Refusal(UNSUPPORTED, "content encoding")


class Entry:
    """A source at the door. Made anew at every (re)load, never changed except for its bucket."""

    def __init__(self, source: Source, verifier: Verifier | None, secrets: Sequence[str], trouble: str = "") -> None:
        """``verifier`` is None where the secrets cannot be used, and ``trouble`` says why."""
        self.source = source
        self.name = source.name
        self.environment = source.environment
        self.verifier = verifier
        self.trouble = trouble
        self.ids_seconds: float | None = None
        """How long an id counts; None for the store's own time."""
        self.live = source.environment in LIVE_ENVIRONMENTS
        self.max_body = source.max_body
        self.on_duplicate = source.on_duplicate
        self.bucket = Bucket(source.rate) if source.rate is not None else None
        self.single_headers: frozenset[bytes] = frozenset()
        self.body_key = False
        methods, content_types = frozenset({"POST"}), None
        if verifier is not None:
            provider = verifier.provider
            self.single_headers = frozenset(verifier.single_headers)
            self.body_key = (
                not (provider.bodies_repeat or provider.signs_time or provider.signs_id)
                and source.replayed_body == "hold"
            )
            methods, content_types = verifier.methods, verifier.content_types
        self.ack = verifier.ack if verifier is not None else Reply()
        self.sends_secret = verifier is not None and verifier.sends_secret
        """The secret itself is the credential, in every request: masked in what is stored, and no reason for alarm."""
        self.needles = Needles(secrets)
        self.allow = ", ".join(sorted(methods)).encode()
        self._methods = methods
        self._wrong_method = Refusal(plain(405, (b"allow", self.allow)), "bad method")
        self._content_types = content_types
        self._networks = networks(source.addresses, f"sources.{source.name}.addresses")
        self._require_https = source.require_https

    def refuse(self, method: str, names: Mapping[bytes, bytes], peer: str, secure: bool) -> Refusal | None:
        """What the head alone decides: None for a request whose body is worth reading."""
        if self.source.retired:
            return _RETIRED
        if self._require_https and not secure:
            return _PLAIN_HTTP
        if self._networks and not within(peer, self._networks):
            return _FROM_ELSEWHERE
        if method not in self._methods:
            return self._wrong_method
        if b"content-encoding" in names and names[b"content-encoding"].lower() != b"identity":
            return _ENCODED  # signatures cover bytes as sent, and a kilobyte may inflate to a megabyte
        if method not in ("GET", "HEAD") and not self._takes(names.get(b"content-type")):
            return _CONTENT_TYPE
        return None

    def _takes(self, kind: bytes | None) -> bool:
        """No content type at all is not a wrong one: the signature decides."""
        if kind is None or self._content_types is None or kind in self._content_types:
            return True
        return kind.partition(b";")[0].strip().lower() in self._content_types


def build(
    config: Config,
    now: float,
    *,
    keys: providers.Keys | None = None,
    resolve: Callable[[str], str] = resolve_secret,
    expected: Mapping[str, float] | None = None,
    learned: Mapping[str, str] | None = None,
) -> dict[bytes, Entry]:
    """The entries of all sources, by raw path. A source whose secrets cannot be used gets an entry that answers 503
    while the others serve. ``now`` (unix seconds) decides which secrets have ended. ``expected`` and ``learned`` are
    what the store says of secrets that arrive by handshake."""
    entries = {}
    for source in config.sources.values():
        until = (expected or {}).get(source.name)
        if until is not None:
            source = msgspec.structs.replace(source, options={**source.options, "expect_until": until})
        entry = _entry(source, now, keys, resolve, (learned or {}).get(source.name))
        entry.ids_seconds = config.retention.ids
        entries[source.path.encode()] = entry
    return entries


def next_end(config: Config, now: float) -> float | None:
    """When the next secret ends (unix seconds), so that the entries must be built again."""
    ends = [ref.until for source in config.sources.values() for ref in source.secrets if ref.until and ref.until > now]
    return min(ends, default=None)


def nearest(path: bytes, entries: Mapping[bytes, Entry]) -> str:
    """The path that the sender may have meant, or nothing."""
    known = [known.decode("latin-1") for known in entries]
    asked = path.decode("latin-1")
    for candidate in known:
        if candidate.rstrip("/").lower() == asked.rstrip("/").lower():
            return candidate
    found = get_close_matches(asked[:200], known, n=1, cutoff=0.8)
    return found[0] if found else ""


def _entry(
    source: Source, now: float, keys: providers.Keys | None, resolve: Callable[[str], str], learned: str | None
) -> Entry:
    try:
        source, secrets = resolved_source(source, now, resolve)
        if learned is not None:
            keep(learned)
            secrets = (learned, *secrets)
        return Entry(source, providers.bind(source, secrets, keys), secrets)
    except ConfigError as problem:
        log.error("secret not available", source=source.name, problem=str(problem), answer=503)
        return Entry(source, None, (), str(problem))
