"""HubSpot: three versions of its signature; the oldest two are plain hashes."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest

import msgspec

from hookline.errors import Rejected
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MISSING, Draft, Facts, draft_facts
from hookline.providers.fields import Time, first, join, whole
from hookline.providers.items import Listed
from hookline.providers.schemes.base import Binding, Match, Stamp, within
from hookline.providers.schemes.mac import Mac, base64_text, decode_key

_STAMP = Stamp(header="X-HubSpot-Request-Timestamp", unit="ms", least=8)  # its published example is from January 1970

# HubSpot signs the URL with these, and only these, decoded.
_DECODED = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


class HubSpot(msgspec.Struct, frozen=True):
    """v3 is an HMAC with a time; where it is present, it alone counts."""

    def headers(self) -> tuple[str, ...]:
        return (
            "X-HubSpot-Signature-v3",
            "X-HubSpot-Request-Timestamp",
            "X-HubSpot-Signature",
            "X-HubSpot-Signature-Version",
        )

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> HubSpotCheck:
        keys = [decode_key(s, "text", binding.secret_at(i)) for i, s in enumerate(binding.need_secrets())]
        return HubSpotCheck(keys, binding.tolerance)


class HubSpotCheck:
    sends_secret = False

    def __init__(self, keys: list[bytes], tolerance: float | None) -> None:
        self.keys = keys
        self.macs = [Mac(key) for key in keys]
        self.tolerance = tolerance

    def check(self, facts: Facts) -> Match:
        given = facts.found.get(b"x-hubspot-signature-v3")
        if given is not None:
            raw_time = facts.found.get(b"x-hubspot-request-timestamp")
            signed_at = _STAMP.read(raw_time)
            parts = self._parts(facts, raw_time or b"")
            secret = _matching([base64_text(mac.digest(parts)) for mac in self.macs], given)
            within(signed_at, facts.now, self.tolerance)
            return Match(secret, signed_at)
        given = facts.found.get(b"x-hubspot-signature")
        if given is None:
            raise Rejected(MISSING)
        version = facts.found.get(b"x-hubspot-signature-version", b"")
        if version not in (b"v1", b"v2"):
            raise Rejected("wrong algorithm")
        if b"\0" in facts.body:  # a hash of secret + text can be lengthened without the secret, but not without NULs
            raise Rejected(BAD)
        between = facts.request.method.encode() + facts.url if version == b"v2" else b""
        hashes = [sha256(key + between + facts.body).hexdigest().encode() for key in self.keys]
        return Match(_matching(hashes, given))

    def sign(self, draft: Draft) -> None:
        raw_time = _STAMP.write(draft.now).encode()
        parts = self._parts(draft_facts(draft), raw_time)
        draft.set("X-HubSpot-Request-Timestamp", raw_time)
        draft.set("X-HubSpot-Signature-v3", base64_text(self.macs[0].digest(parts)))

    def _parts(self, facts: Facts, raw_time: bytes) -> tuple[bytes, ...]:
        url = facts.url.decode("utf-8", "surrogateescape")
        decoded = _DECODED.sub(lambda found: chr(int(found[0][1:], 16)), url)
        return (facts.request.method.encode(), decoded.encode("utf-8", "surrogateescape"), facts.body, raw_time)


def _matching(expected: list[bytes], given: bytes) -> int:
    fits = [compare_digest(one, given) for one in expected]
    if True not in fits:
        raise Rejected(BAD)
    return fits.index(True)


HUBSPOT = Provider(
    name="hubspot",
    title="HubSpot",
    docs="https://developers.hubspot.com/docs/api/webhooks/validating-requests",
    scheme=HubSpot(),
    credential="the app's client secret",
    type=first("body.subscriptionType", join(".", "body.eventType")),
    id=whole(":", "body.eventId", "body.subscriptionId", "body.occurredAt"),
    occurred_at=Time("body.occurredAt", "ms"),
    subject="body.objectId",
    split=Listed(),
    volatile=("attemptNumber",),
    tolerance=300,
    deadline=5,
    signs_time=True,
    signs_id=True,
    signs_url=True,
)
