"""PayPal: RSA over the transmission's id and time, the webhook's id and a checksum of the body."""

from __future__ import annotations

import binascii
import re

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts
from hookline.providers.fields import Time, first
from hookline.providers.keys import Keys
from hookline.providers.schemes.base import Binding, Match, Stamp, within
from hookline.providers.schemes.publickey import PrivateKey, make, read_key, strict_base64, verify

_CERTIFICATE = re.compile(
    rb"https://api(-m)?(\.sandbox)?\.paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]{1,128}"
).fullmatch
TEST_CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/test"
_STAMP = Stamp(unit="iso")
_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}").fullmatch


class PayPal(msgspec.Struct, frozen=True):
    def headers(self) -> tuple[str, ...]:
        names = ("ID", "TIME", "SIG")
        return (*(f"PAYPAL-TRANSMISSION-{name}" for name in names), "PAYPAL-CERT-URL", "PAYPAL-AUTH-ALGO")

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> PayPalCheck:
        webhook = binding.options.get("webhook_id")
        if not isinstance(webhook, str) or not webhook:
            raise ConfigError(
                f"{binding.where}.webhook_id: missing — copy the webhook's id, it is part of what is signed"
            )
        private = None
        if binding.secrets and "PRIVATE KEY-----" in binding.secrets[0]:
            private = read_key(binding.secrets[0], "rsa", binding.secret_at(0))[1]
        return PayPalCheck(webhook.encode(), binding, private)


class PayPalCheck:
    sends_secret = False

    def __init__(self, webhook: bytes, binding: Binding, private: PrivateKey | None) -> None:
        self.webhook = webhook
        self.keys: Keys = binding.keys
        self.tolerance = binding.tolerance
        self.where = binding.where
        self.private = private

    def check(self, facts: Facts) -> Match:
        found = facts.found
        names = (b"id", b"time", b"sig")
        transmission, time, given = (found.get(b"paypal-transmission-" + name) for name in names)
        url = found.get(b"paypal-cert-url")
        if not given or not url or not transmission or not time:
            raise Rejected(MISSING)
        if found.get(b"paypal-auth-algo") != b"SHA256withRSA":
            raise Rejected("wrong algorithm")
        if not _CERTIFICATE(url):
            raise Rejected("foreign certificate")
        signed_at = _STAMP.read(time)
        if not _ID(transmission):
            raise Rejected(MALFORMED)
        try:
            signature = strict_base64(given)
        except ValueError as problem:
            raise Rejected(MALFORMED) from problem
        if binascii.b2a_base64(signature, newline=False) != given:
            raise Rejected(MALFORMED)
        if not verify(self.keys.get(url.decode("ascii")), signature, self._text(transmission, time, facts.body)):
            raise Rejected(BAD)
        within(signed_at, facts.now, self.tolerance)
        return Match(0, signed_at)

    def sign(self, draft: Draft) -> None:
        if self.private is None:
            raise ConfigError(f"{self.where}: only the provider has the private key, so nothing can be signed here")
        transmission, time = (draft.id or "test").encode(), _STAMP.write(draft.now).encode()
        draft.set("PAYPAL-TRANSMISSION-ID", transmission)
        draft.set("PAYPAL-TRANSMISSION-TIME", time)
        draft.set("PAYPAL-CERT-URL", TEST_CERTIFICATE)
        draft.set("PAYPAL-AUTH-ALGO", "SHA256withRSA")
        signature = make(self.private, self._text(transmission, time, draft.body))
        draft.set("PAYPAL-TRANSMISSION-SIG", binascii.b2a_base64(signature, newline=False))

    def _text(self, transmission: bytes, time: bytes, body: bytes) -> bytes:
        return b"|".join((transmission, time, self.webhook, str(binascii.crc32(body)).encode()))


PAYPAL = Provider(
    name="paypal",
    title="PayPal",
    docs="https://developer.paypal.com/api/rest/webhooks/rest/",
    scheme=PayPal(),
    credential="none: PayPal's certificate is fetched",
    no_secret=True,
    type="body.event_type",
    id="body.id",
    occurred_at=Time("body.create_time", "iso"),
    subject=first("body.resource.id"),
    deadline=20,
    options=frozenset({"webhook_id"}),
    signs_time=True,
    signs_id=True,
    notes="The body is covered by a CRC-32 only: do not act on amounts without asking PayPal's API.",
)

ROWS = (PAYPAL,)
