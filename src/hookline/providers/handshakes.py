"""What is asked of us before, or beside, events. Nothing here is stored as an event.

Whatever is echoed is plain text or JSON, bounded, and never sniffed as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hookline.errors import Rejected
from hookline.model import Reply
from hookline.providers.facts import BAD, Facts
from hookline.providers.schemes.mac import Mac, base64_text, hexadecimal
from hookline.providers.schemes.shared import compare

if TYPE_CHECKING:
    from hookline.providers.base import Verifier

Handshake = Callable[[Facts, "Verifier"], Reply | None]

TEXT = ((b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff"))
JSON = ((b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff"))
MAX_ECHO = 4_096
OK = Reply()
UNEXPECTED = "handshake not expected"

# A challenge that could be a body would make us sign events for whoever asks.
_PLAIN = re.compile(r"[A-Za-z0-9_+/=.-]{1,256}").fullmatch


class Learned(Reply, frozen=True):
    """A handshake that brought the source's secret with it: whoever answers keeps it."""

    secret: str = ""


def plain(value: str) -> Reply:
    if len(value) > MAX_ECHO:
        raise Rejected("malformed challenge", 400)
    return Reply(200, value.encode("utf-8", "replace"), TEXT)


def json(value: dict[str, Any]) -> Reply:
    return Reply(200, msgspec.json.encode(value), JSON)


def any_of(*handshakes: Handshake) -> Handshake:
    """The first that has an answer."""

    def ask(facts: Facts, verifier: Verifier) -> Reply | None:
        for handshake in handshakes:
            reply = handshake(facts, verifier)
            if reply is not None:
                return reply
        return None

    return ask


def methods(*names: str) -> Handshake:
    """A method that only ever asks whether we are here."""
    return lambda facts, verifier: OK if facts.request.method in names else None


def echo_query(name: str) -> Handshake:
    """GET ``?challenge=…`` wants it back as text (Dropbox)."""

    def ask(facts: Facts, verifier: Verifier) -> Reply | None:
        value = facts.query_value(name) if facts.request.method == "GET" else None
        return plain(value) if value is not None else None

    return ask


def hub(facts: Facts, verifier: Verifier) -> Reply | None:
    """Meta: GET ``hub.challenge``, if ``hub.verify_token`` is the one that we told them."""
    if facts.request.method != "GET":
        return None
    wanted = verifier.binding.options.get("verify_token")
    given = facts.query_value("hub.verify_token") or ""
    if not wanted or facts.query_value("hub.mode") != "subscribe":
        raise Rejected(UNEXPECTED, 403)
    try:
        compare([(str(wanted).encode(),)], given.encode("utf-8", "surrogatepass"))
    except Rejected:
        raise Rejected("wrong verify token", 403) from None
    return plain(facts.query_value("hub.challenge") or "")


def websub(facts: Facts, verifier: Verifier) -> Reply | None:
    """WebSub: GET ``hub.challenge`` for the topic that we subscribed to."""
    if facts.request.method != "GET":
        return None
    topic = verifier.binding.options.get("topic")
    if not topic or facts.query_value("hub.topic") != topic:
        raise Rejected("wrong topic", 404)
    return plain(facts.query_value("hub.challenge") or "")


def crc(facts: Facts, verifier: Verifier) -> Reply | None:
    """X: GET ``crc_token`` wants its HMAC back, every hour."""
    token = facts.query_value("crc_token") if facts.request.method == "GET" else None
    if token is None:
        if _PLAIN(facts.body.decode("latin-1")):
            raise Rejected(BAD)  # anybody can have such a body signed by asking for it as a challenge
        return None
    if not _PLAIN(token):
        raise Rejected("malformed challenge", 400)
    mac = Mac(verifier.binding.secrets[0].encode())
    return json({"response_token": "sha256=" + base64_text(mac.digest((token.encode(),))).decode()})


def slack(facts: Facts, verifier: Verifier) -> Reply | None:
    """The URL's verification, signed like every request."""
    if b"url_verification" not in facts.body:
        return None
    value = facts.json
    if not isinstance(value, dict) or value.get("type") != "url_verification":
        return None
    return plain(str(value.get("challenge", "")))


def slack_ssl_check(facts: Facts, verifier: Verifier) -> Reply | None:
    """An old ping without a signature. It asks for nothing and gets nothing."""
    return OK if facts.body.startswith(b"ssl_check=1") and facts.form_value("ssl_check") == "1" else None


def zoom(facts: Facts, verifier: Verifier) -> Reply | None:
    """The URL's validation, every 72 hours, signed like every request."""
    if b"endpoint.url_validation" not in facts.body:
        return None
    value = facts.json
    if not isinstance(value, dict) or value.get("event") != "endpoint.url_validation":
        return None
    payload = value.get("payload")
    token = payload.get("plainToken") if isinstance(payload, dict) else None
    if not isinstance(token, str) or not _PLAIN(token):
        raise Rejected("malformed challenge", 400)
    mac = Mac(verifier.binding.secrets[0].encode())
    return json({"plainToken": token, "encryptedToken": hexadecimal(mac.digest((token.encode(),))).decode()})


def discord(facts: Facts, verifier: Verifier) -> Reply | None:
    """PING: type 1 of interactions wants itself back, type 0 of webhook events an empty 204."""
    value = facts.json
    if not isinstance(value, dict) or "event" in value:
        return None
    if value.get("type") == 1 and "data" not in value:
        return json({"type": 1})
    return Reply(204) if value.get("type") == 0 else None


def twitch(facts: Facts, verifier: Verifier) -> Reply | None:
    if facts.found.get(b"twitch-eventsub-message-type") != b"webhook_callback_verification":
        return None
    value = facts.json
    return plain(str(value.get("challenge", ""))) if isinstance(value, dict) else None


def okta(facts: Facts, verifier: Verifier) -> Reply | None:
    challenge = facts.request.header(b"x-okta-verification-challenge") if facts.request.method == "GET" else None
    return json({"verification": challenge.decode("latin-1")[:MAX_ECHO]}) if challenge is not None else None


def event_grid(facts: Facts, verifier: Verifier) -> Reply | None:
    """Azure Event Grid's own schema: an event whose code wants to come back."""
    if b"Microsoft.EventGrid.SubscriptionValidationEvent" not in facts.body:
        return None
    value = facts.json
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict) or first.get("eventType") != "Microsoft.EventGrid.SubscriptionValidationEvent":
        return None
    data = first.get("data")
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not isinstance(code, str) or not _PLAIN(code):
        raise Rejected("malformed challenge", 400)
    return json({"validationResponse": code})


_ORIGIN = re.compile(rb"[A-Za-z0-9.*:/_-]{1,255}").fullmatch


def cloud_events(facts: Facts, verifier: Verifier) -> Reply | None:
    """The CloudEvents webhook's protection against abuse: OPTIONS asks whether this origin may send."""
    if facts.request.method != "OPTIONS":
        return None
    origin = facts.request.header(b"webhook-request-origin")
    if origin is None or not _ORIGIN(origin):
        raise Rejected("malformed challenge", 400)
    headers = ((b"allow", b"POST"), (b"webhook-allowed-origin", origin), (b"webhook-allowed-rate", b"100"))
    return Reply(200, b"", headers)


def graph(facts: Facts, verifier: Verifier) -> Reply | None:
    """Microsoft Graph validates a URL before any subscription exists: the decoded token as text."""
    if b"validationToken" not in facts.raw_query or facts.body:
        return None
    token = facts.query_value("validationToken")
    return plain(token) if token else None


def asana(facts: Facts, verifier: Verifier) -> Reply | None:
    """The secret comes with the first request, and only while somebody is waiting for it."""
    secret = facts.request.header(b"x-hook-secret")
    if secret is None or b"x-hook-signature" in facts.found:
        return None
    _expected(verifier, facts.now)
    if not re.fullmatch(rb"[A-Za-z0-9_-]{16,256}", secret):
        raise Rejected(BAD)
    return Learned(200, b"", ((b"x-hook-secret", secret),), secret.decode())


def notion(facts: Facts, verifier: Verifier) -> Reply | None:
    """The token that will sign, unsigned itself: kept for the operator, who pastes it into Notion."""
    if b"x-notion-signature" in facts.found or b"verification_token" not in facts.body[:64]:
        return None
    value = facts.json
    if not isinstance(value, dict) or set(value) != {"verification_token"}:
        return None
    _expected(verifier, facts.now)
    token = value["verification_token"]
    if not isinstance(token, str) or not re.fullmatch("[A-Za-z0-9_-]{16,256}", token):
        raise Rejected(BAD)
    return Learned(secret=token)


def _expected(verifier: Verifier, now: float) -> None:
    """A stranger must not choose our secret: only while the operator expects one."""
    until = verifier.binding.options.get("expect_until", 0)
    if not isinstance(until, int | float) or now > until:
        raise Rejected(UNEXPECTED)


def woocommerce(facts: Facts, verifier: Verifier) -> Reply | None:
    """The unsigned ping of a hook that is saved for the first time: ``webhook_id=142`` and nothing else."""
    return OK if re.fullmatch(rb"webhook_id=[0-9]{1,20}", facts.body) else None


def bitbucket_ping(facts: Facts, verifier: Verifier) -> Reply | None:
    """Data Center's "test connection" button signs nothing and tells nothing."""
    asked = facts.found.get(b"x-event-key") == b"diagnostics:ping" and b"x-hub-signature" not in facts.found
    return OK if asked and facts.body.strip() in (b'{"test":true}', b'{"test": true}') else None


def mandrill_test(facts: Facts, verifier: Verifier) -> Reply | None:
    """The test POST carries no event and is signed before there is a key."""
    return OK if facts.body[:32] == b"mandrill_events=%5B%5D" else None
