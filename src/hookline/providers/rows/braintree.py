"""Braintree: a form with a payload and, for each key pair, a signature made with the hash of the private key."""

from __future__ import annotations

import base64
import re
from hashlib import sha1
from hmac import compare_digest
from urllib.parse import urlencode

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.model import Reply
from hookline.payload import parse_form
from hookline.providers.base import Provider, Verifier
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts
from hookline.providers.fields import Time, whole
from hookline.providers.handshakes import plain
from hookline.providers.schemes.base import MAX_SIGNATURES, Binding, Match
from hookline.providers.schemes.mac import Mac, decode_key, hexadecimal

_PAYLOAD = re.compile(r"[A-Za-z0-9+=/\n]+").fullmatch
_CHALLENGE = re.compile("[a-f0-9]{20,32}").fullmatch


def public_and_mac(secret: str) -> tuple[str, Mac]:
    public, _, private = secret.partition(":")
    return public, Mac(sha1(private.encode(), usedforsecurity=False).digest(), "sha1")


class Braintree(msgspec.Struct, frozen=True):
    def headers(self) -> tuple[str, ...]:
        return ()

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> BraintreeCheck:
        for index, secret in enumerate(binding.need_secrets()):
            where = binding.secret_at(index)
            decode_key(secret, "text", where)
            public, _, private = secret.partition(":")
            if not public.strip() or not private.strip():
                raise ConfigError(
                    f'{where}: "public key:private key" is wanted, with the colon — copy both from API keys'
                )
        return BraintreeCheck([public_and_mac(secret) for secret in binding.secrets])


class BraintreeCheck:
    sends_secret = False

    def __init__(self, pairs: list[tuple[str, Mac]]) -> None:
        self.pairs = pairs

    def check(self, facts: Facts) -> Match:
        payload, signatures = facts.form_value("bt_payload"), facts.form_value("bt_signature")
        if not payload or not signatures:
            raise Rejected(MISSING)
        if not _PAYLOAD(payload) or _CHALLENGE(payload):  # a challenge is signed for whoever asks
            raise Rejected(MALFORMED)
        given = [item.partition("|") for item in signatures.split("&", MAX_SIGNATURES) if "|" in item]
        matched = -1
        for index, (public, mac) in enumerate(self.pairs):
            expected = [
                hexadecimal(mac.digest((payload.encode(), end))) for end in (b"", b"\n")
            ]  # its own libraries try a final newline as well
            for name, _, signature in given:
                raw = signature.encode("utf-8", "surrogatepass")
                fits = sum(compare_digest(one, raw) for one in expected) > 0
                if name == public and fits and matched < 0:
                    matched = index
        if matched < 0:
            raise Rejected(BAD)
        return Match(matched)

    def sign(self, draft: Draft) -> None:
        """XML becomes the form that Braintree sends; such a form is signed afresh."""
        public, mac = self.pairs[0]
        sent = (parse_form(draft.body) or {}).get("bt_payload")
        payload = sent[0].encode() if sent else base64.b64encode(draft.body) + b"\n"
        signature = hexadecimal(mac.digest((payload,))).decode()
        draft.body = urlencode({"bt_signature": f"{public}|{signature}", "bt_payload": payload.decode()}).encode()
        draft.set("Content-Type", "application/x-www-form-urlencoded")


def _inside(pattern: str, facts: Facts) -> str | None:
    """A value of the XML, found without parsing it."""
    try:
        document = base64.b64decode(facts.form_value("bt_payload") or "")
    except ValueError:
        return None
    found = re.search(pattern.encode(), document)
    return found[1].decode("ascii", "replace") if found else None


def _kind(facts: Facts) -> str | None:
    return _inside(r"<kind>([a-z_]{1,80})</kind>", facts)


def _time(facts: Facts) -> str | None:
    return _inside(r"<timestamp[^>]{0,40}>([0-9T:Z. -]{10,40})</timestamp>", facts)


def _subject(facts: Facts) -> str | None:
    return _inside(r"<subject>.{0,200}?<id>([A-Za-z0-9_-]{1,80})</id>".replace(".{", r"[\s\S]{"), facts)


def handshake(facts: Facts, verifier: Verifier) -> Reply | None:
    challenge = facts.query_value("bt_challenge") if facts.request.method == "GET" else None
    if challenge is None:
        return None
    if not _CHALLENGE(challenge):
        raise Rejected("malformed challenge", 400)
    public, mac = public_and_mac(verifier.binding.secrets[0])
    return plain(f"{public}|{hexadecimal(mac.digest((challenge.encode(),))).decode()}")


BRAINTREE = Provider(
    name="braintree",
    title="Braintree",
    docs="https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
    scheme=Braintree(),
    credential="public key:private key, with the colon",
    type=_kind,
    id=whole(":", _kind, _subject, _time),
    occurred_at=Time(_time, "iso"),
    subject=_subject,
    unsigned_handshake=handshake,
    methods=frozenset({"POST", "GET"}),
    content_types=frozenset({b"application/x-www-form-urlencoded"}),
    deadline=30,
    signs_id=True,
)

ROWS = (BRAINTREE,)
