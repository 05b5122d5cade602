"""What we know of a provider, as a value; and the verifier that is made of it once per source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b, sha256
from operator import attrgetter
from typing import Any

import msgspec

from hookline.errors import ConfigError, Rejected, Unavailable
from hookline.model import Headers, Reply, Request, Verified, VerifiedEvent
from hookline.payload import clean, dig, parse
from hookline.providers.facts import Draft, Facts, Plan, arriving
from hookline.providers.fields import Field, First, Join, Readers, paths, text
from hookline.providers.handshakes import Handshake
from hookline.providers.items import Split
from hookline.providers.schemes.base import Binding, Check, Match, Scheme

MAX_ITEMS = 1_000
MAX_ID = 255
TOO_MANY = f"batch of more than {MAX_ITEMS} items"

POST = frozenset({"POST"})


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A request that the provider could have sent."""

    method: str
    url: str
    headers: Headers
    body: bytes

    def request(self, received_at: float) -> Request:
        """As it would arrive at the door."""
        return arriving(self.method, self.url, self.headers, self.body, received_at)


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. What a row does not say has the default that most providers share."""

    name: str
    title: str
    docs: str
    scheme: Scheme
    credential: str = "the webhook's secret, as text"
    """What the secret is and where it is found, for people."""

    type: Field | None = None
    id: Field | None = None
    occurred_at: Field | None = None
    subject: Field | None = None
    live: Field | None = None
    payload_field: str = ""
    """The form field that holds the JSON, where forms are sent."""
    split: Split | None = None
    """The items of a batch; None from it means that the request is one event."""
    item: str = ""
    """The path of a batch's first item, where ``split`` does not tell."""
    volatile: tuple[str, ...] = ()
    """Top-level fields that differ between two deliveries of one event: the digest skips them."""

    unsigned_handshake: Handshake | None = None
    """Answers what comes before anything is signed. None from it means that it is no handshake."""
    handshake: Handshake | None = None
    """Answers what is signed and yet no event."""
    ack: Reply = Reply()
    refuse: int = 401
    """The status that the provider wants for a bad signature."""
    methods: frozenset[str] = POST
    content_types: frozenset[bytes] | None = None

    tolerance: float | None = None
    """Seconds; None where the provider signs no time, or may deliver old ones."""
    deadline: float = 10.0
    """Seconds within which the provider wants its answer."""
    retries: bool = True
    signs_time: bool = False
    signs_id: bool = False
    signs_url: bool = False
    """True where the signature covers the URL that the provider was told, which we then must know to the byte."""
    bodies_repeat: bool = True
    """False where two events never have the same bytes: a known body under a new id is then a replay."""
    note: Callable[[VerifiedEvent], str] | None = None
    """Why a person should look at an event before anything runs; empty for nothing to see."""
    options: frozenset[str] = frozenset()
    """The source's keys that this provider understands, besides those that all have."""
    configure: Callable[[Provider, Mapping[str, Any], str], Provider] | None = None
    """Makes the row of a source whose options say how it signs. ConfigError for what they say wrongly."""
    stamp: Callable[[Draft], None] | None = None
    """Puts type and id where this provider puts them, into a draft before it is signed."""
    no_secret: bool = False
    """True where the keys are the provider's own, or the secret comes by handshake."""
    notes: str = ""
    """What people trip over."""

    @property
    def learns_secret(self) -> bool:
        """Whether its secret may come by handshake, once somebody expects it."""
        return "expect_until" in self.options


COMMON_OPTIONS = frozenset({"type", "id", "subject", "public_url"})


class Verifier:
    """A provider's row bound to a source's secrets. All that can be done once is done here."""

    def __init__(self, provider: Provider, binding: Binding, *, reply: Reply | None, batch: str) -> None:
        self.provider = provider
        self.binding = binding
        self.ack = reply or provider.ack
        self.methods = provider.methods
        self.content_types = provider.content_types
        self._check: Check = provider.scheme.bind(binding)
        self.sends_secret = self._check.sends_secret
        readers = Readers()
        self._type = readers.add(provider.type)
        self._id = readers.add(provider.id)
        self._occurred_at = readers.add(provider.occurred_at)
        self._subject = readers.add(provider.subject)
        self._live = readers.add(provider.live)
        self._split = provider.split if batch == "split" else None
        signing = frozenset(name.lower().encode() for name in provider.scheme.headers())
        repeated = frozenset(name.lower().encode() for name in provider.scheme.repeated())
        self.single_headers = (signing | readers.headers) - repeated
        peek, envelope_peek = readers.peeks()
        self.plan = Plan(
            wanted=signing | readers.headers,
            repeated=repeated,
            peek=peek,
            envelope_peek=envelope_peek,
            url=binding.url,
            payload_field=provider.payload_field,
        )
        self._volatile = provider.volatile
        self._volatile_bytes = [b'"%b"' % name.encode() for name in self._volatile]
        """Most bodies have none of them: a look for these bytes is cheaper than reading the document."""
        self._members = _members(provider.volatile) if provider.volatile else None

    def check(self, request: Request, now: float) -> Verified | Reply:
        """What a genuine request carries, or the answer to a handshake.

        Rejected if it is not genuine; Unavailable if that cannot be told now. Nothing else, whatever comes in.
        """
        try:
            return self._judge(request, now)
        except Rejected as no:
            if no.status == 401 != self.provider.refuse:
                raise Rejected(no.reason, self.provider.refuse) from no
            raise
        except Unavailable:
            raise
        except Exception as bug:  # ours, not the sender's: a 503 makes them try again, a 401 would make them give up
            raise Unavailable("check failed") from bug

    def _judge(self, request: Request, now: float) -> Verified | Reply:
        facts = Facts(self.plan, request, now)
        provider = self.provider
        if provider.unsigned_handshake is not None:
            reply = provider.unsigned_handshake(facts, self)
            if reply is not None:
                return reply
        match = self._check.check(facts)
        if provider.handshake is not None:
            reply = provider.handshake(facts, self)
            if reply is not None:
                return reply
        if self._split is not None:
            items = self._split(facts)
            if items is not None:
                return self._batch(facts, items, match)
        event = self._event(facts, facts.body)
        note = provider.note(event) if provider.note is not None else ""
        return Verified(events=[event], secret=match.secret, signed_at=match.signed_at, note=note)

    def _batch(self, facts: Facts, items: list[bytes], match: Match) -> Verified | Reply:
        if not items:
            return self.ack
        if len(items) > MAX_ITEMS:
            event = self._event(facts, facts.body)
            return Verified(events=[event], secret=match.secret, signed_at=match.signed_at, note=TOO_MANY)
        events = [self._event(facts.of(item), item) for item in items]
        return Verified(events=events, secret=match.secret, signed_at=match.signed_at)

    def _event(self, facts: Facts, body: bytes) -> VerifiedEvent:
        """Never fails for what is missing: the signature held, so the event is kept. A form stays the form it was."""
        kind = text(self._type(facts)) if self._type else None
        name = text(self._id(facts)) if self._id else None
        subject = text(self._subject(facts)) if self._subject else None
        live = self._live(facts) if self._live else None
        return VerifiedEvent(
            id=_key(name) if name else None,
            type=(clean(kind) if kind else "") or "unknown",
            body=body,
            occurred_at=self._occurred_at(facts) if self._occurred_at else None,
            subject=clean(subject) or None if subject else None,
            live=live if isinstance(live, bool) else None,
        )

    def digest(self, event: VerifiedEvent) -> bytes:
        """16 bytes over the content, without the fields that differ between two deliveries of one event."""
        body = event.body
        if self._members is not None and any(name in body for name in self._volatile_bytes):
            try:
                found = self._members(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
            else:
                for name, written in zip(self._volatile, found, strict=True):
                    if written:
                        body = without_member(body, name.encode(), bytes(written))
        return sha256(body).digest()[:16]  # with the processor's help half the time that BLAKE2 takes

    def sign(
        self,
        body: bytes,
        *,
        now: float,
        type: str | None = None,
        id: str | None = None,
        method: str = "POST",
        content_type: str = "application/json",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Signed:
        """The request as the provider would send it, signed with the first secret.

        For triggers, the demo, fresh signatures and tests. ConfigError where only the provider has the private key.
        """
        if not self.binding.secrets and not self.provider.no_secret:
            raise ConfigError(f"{self.binding.where}.secrets: nothing to sign with yet")
        draft = Draft(
            method=method,
            url=self.plan.url,
            headers=list(headers),
            body=body,
            now=now,
            id=id,
            type=type,
        )
        if draft.header(b"content-type") is None:
            draft.set("Content-Type", content_type)
        _stamp(self.provider, draft)
        if self.provider.stamp:
            self.provider.stamp(draft)
        self._check.sign(draft)
        return Signed(method=draft.method, url=draft.url, headers=draft.headers, body=draft.body)


def _key(name: str) -> str | None:
    """A provider's id, safe to store; a longer one by its digest, so that two long ids never become one."""
    if len(name) > MAX_ID:
        return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return clean(name) or None


def _members(names: Sequence[str]) -> Callable[[bytes], Sequence[Any]]:
    """Reads these members of a document as they are written, empty where they are missing, and skips the rest."""
    nothing = msgspec.Raw(b"")
    struct = msgspec.defstruct("Members", [(name, msgspec.Raw, nothing) for name in names], gc=False)
    decode = msgspec.json.Decoder(struct).decode
    if len(names) == 1:
        [name] = names
        return lambda document: (getattr(decode(document), name),)
    members = attrgetter(*names)
    return lambda document: members(decode(document))


def without_member(document: bytes, name: bytes, written: bytes) -> bytes:
    """The JSON document without the member ``name``, whose value is ``written`` like this, and without its comma: what
    is left is what the provider sends where it leaves the member out."""
    found = re.search(rb'"%b"\s*:\s*%b' % (re.escape(name), re.escape(written)), document)
    if found is None:
        return document
    before, after = document[: found.start()], document[found.end() :]
    if before.rstrip().endswith(b","):
        return before.rstrip()[:-1] + after
    return before + after.lstrip().removeprefix(b",").lstrip()


def _stamp(provider: Provider, draft: Draft) -> None:
    """Type and id into the headers that the row reads them from. A type that is partly in the body loses that part."""

    def header_of(field: Field | None) -> str | None:
        """The header that a field begins with."""
        if isinstance(field, First | Join):
            return header_of(field.fields[0])
        return field.removeprefix("header.") if isinstance(field, str) and field.startswith("header.") else None

    if draft.id is not None and (name := header_of(provider.id)):
        draft.set(name, draft.id)
    if draft.type is not None and (name := header_of(provider.type)):
        kind = draft.type
        if isinstance(provider.type, Join):
            inside = parse(draft.body)
            for path in reversed([path for path in paths(provider.type) if path.startswith("body.")]):
                said = text(dig(inside, path.partition(".")[2]))
                if said is not None:
                    kind = kind.removesuffix(provider.type.separator + said)
        draft.set(name, kind)


def custom_reply(options: Mapping[str, Any] | None) -> Reply | None:
    """A source's own acknowledgement: ``{ status = 200, content_type = "text/xml", body = "<Response/>" }``."""
    if options is None:
        return None
    content_type = options.get("content_type")
    return Reply(
        status=int(options.get("status", 200)),
        body=str(options.get("body", "")).encode(),
        headers=((b"content-type", str(content_type).encode()),) if content_type else (),
    )


def refuse_options(provider: Provider, options: Mapping[str, Any], where: str) -> None:
    """ConfigError for a key that the provider does not know."""
    known = provider.options | COMMON_OPTIONS
    for key in options:
        if key not in known:
            raise ConfigError(
                f"{where}.{key}: provider {provider.name} has no such key; it knows {', '.join(sorted(known))}"
            )
