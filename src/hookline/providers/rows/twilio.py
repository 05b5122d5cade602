"""Twilio signs the URL and the form's fields, or a hash of the body that it puts into the URL."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import urlsplit, urlunsplit

import msgspec

from hookline.errors import Rejected
from hookline.model import Reply
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MISSING, Draft, Facts, draft_facts
from hookline.providers.fields import Time, first, whole
from hookline.providers.schemes.base import Binding, Match
from hookline.providers.schemes.mac import Mac, base64_text, decode_key

_FORM = b"application/x-www-form-urlencoded"
_BODY_HASH = "bodySHA256"
_ALGORITHMS = {b"HMAC_SHA1": "sha1", b"HMAC_SHA256": "sha256"}
_SETTINGS = re.compile(rb"\s*(?:key=[^,]{0,200},\s*)?algorithm=([A-Z0-9_]{1,32})\s*").fullmatch


class Twilio(msgspec.Struct, frozen=True):
    def headers(self) -> tuple[str, ...]:
        return ("X-Twilio-Signature", "X-Twilio-Webhooks-Signature-Settings")

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> TwilioCheck:
        keys = [decode_key(s, "text", binding.secret_at(i)) for i, s in enumerate(binding.need_secrets())]
        return TwilioCheck(keys)


class TwilioCheck:
    sends_secret = False

    def __init__(self, keys: list[bytes]) -> None:
        self.macs = {name: [Mac(key, name) for key in keys] for name in _ALGORITHMS.values()}

    def check(self, facts: Facts) -> Match:
        given = facts.found.get(b"x-twilio-signature")
        if not given:
            raise Rejected(MISSING)
        macs = self.macs[_algorithm(facts.found.get(b"x-twilio-webhooks-signature-settings"))]
        fields = _fields(facts)
        matched = -1
        for url in urls(facts.url.decode("utf-8", "surrogateescape")):
            start = url.encode("utf-8", "surrogateescape")
            for index, mac in enumerate(macs):
                if compare_digest(base64_text(mac.digest((start, fields))), given) and matched < 0:
                    matched = index
        if matched < 0:
            raise Rejected(BAD)
        return Match(matched)

    def sign(self, draft: Draft) -> None:
        form = (draft.header(b"content-type") or b"").startswith(_FORM)
        if draft.method == "POST" and draft.body and not form:
            draft.url += f"{'&' if '?' in draft.url else '?'}{_BODY_HASH}={sha256(draft.body).hexdigest()}"
        facts = draft_facts(draft)
        digest = self.macs["sha1"][0].digest((facts.url, _fields(facts)))
        draft.set("X-Twilio-Signature", base64_text(digest))


def _algorithm(settings: bytes | None) -> str:
    """A request signed with a shared key names its algorithm; one that we do not know fails, never falls back."""
    if settings is None:
        return "sha1"
    found = _SETTINGS(settings)
    name = _ALGORITHMS.get(found[1]) if found else None
    if name is None:
        raise Rejected("wrong algorithm")
    return name


def _fields(facts: Facts) -> bytes:
    """What follows the URL: sorted names with their values, each value once. Rejected if the body is not covered."""
    if not facts.body:
        return b""
    if facts.request.method == "GET":  # its signature covers no body, so it has none
        raise Rejected(BAD)
    if facts.content_type == _FORM:
        pairs = (name + value for name, values in sorted(facts.form.items()) for value in sorted(set(values)))
        return "".join(pairs).encode("utf-8", "surrogatepass")
    said = (facts.query_value(_BODY_HASH) or "").encode("utf-8", "replace")
    if not compare_digest(said, sha256(facts.body).hexdigest().encode()):
        raise Rejected(BAD)
    return b""


def urls(url: str) -> list[str]:
    """The URL without and with its port: Twilio has signed either."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return [url]
    host = parts.netloc
    if port is None:
        other = f"{host}:{443 if parts.scheme == 'https' else 80}"
    else:
        other = host.rpartition(":")[0]
    return [url, urlunsplit(parts._replace(netloc=other))]


def kind(facts: Facts) -> str | None:
    """Twilio names no type: the parameters tell what they are about, and its state."""
    form = facts.form if facts.body[:1] not in (b"{", b"[") else {}
    if not form:
        form = facts.query

    def said(name: str) -> str:
        values = form.get(name)
        return values[0].lower() if values else ""

    if said("RecordingSid"):
        return "recording." + (said("RecordingStatus") or "completed")
    if said("MessageStatus") or (said("SmsStatus") and said("SmsStatus") != "received"):
        return "message." + (said("MessageStatus") or said("SmsStatus"))
    if said("MessageSid") or said("SmsSid"):
        return "message.received"
    if said("CallSid"):
        if said("Digits") or said("SpeechResult"):
            return "call.gathered"
        return "call." + (said("CallStatus") or "unknown")
    if said("PayloadType") or said("Level"):
        return "debugger." + (said("Level") or "error")
    return None


_STATUS = first("form.MessageStatus", "form.SmsStatus", "form.RecordingStatus", "form.CallStatus")
_SID = first("form.MessageSid", "form.SmsSid", "form.RecordingSid", "form.CallSid", "form.Sid")

TWILIO = Provider(
    name="twilio",
    title="Twilio",
    docs="https://www.twilio.com/docs/usage/webhooks/webhooks-security",
    scheme=Twilio(),
    credential="the account's auth token (or a shared key's secret)",
    type=first(kind, "body.0.type", "body.type"),
    id=first("header.I-Twilio-Idempotency-Token", whole(":", _SID, _STATUS), _SID, "body.0.id"),
    occurred_at=Time(first("form.Timestamp", "body.0.time"), "iso"),
    subject=first(_SID, "query.MessageSid", "query.CallSid"),
    stamp=lambda draft: draft.set("I-Twilio-Idempotency-Token", draft.id) if draft.id else None,
    ack=Reply(200, b"<Response/>", ((b"content-type", b"text/xml"),)),
    methods=frozenset({"POST", "GET"}),
    deadline=15,
    retries=False,
    signs_url=True,
    notes="Signs the URL as configured at Twilio: set public_url if a proxy changes scheme, host or path.",
)

ROWS = (TWILIO,)
