"""What a provider asks before it sends events gets the exact answer that it wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from provider_vectors import HANDSHAKES

from hookline import providers
from hookline.config import Source
from hookline.errors import Rejected
from hookline.model import Reply, Request, Verified

NOW = 1_767_225_600.0

SECRETS = {
    "twitter": ["consumer-secret"],
    "zoom": ["zoom-secret-token"],
    "mailchimp": ["hard-to-guess"],
    "okta": ["my-okta-secret"],
    "braintree": ["integration_public_key:integration_private_key"],
    "asana": [],
    "notion": [],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "whatsapp": {"verify_token": "meatyhamhock"},
    "websub": {"topic": "https://example.com/feed"},
    "asana": {"expect_until": NOW + 600},
    "notion": {"expect_until": NOW + 600},
}
SIGNED = {"slack": "url_verification", "zoom": None, "discord": None, "twitch": None}


def named(provider: str, name: str) -> dict[str, Any]:
    return next(one for one in HANDSHAKES if one["provider"] == provider and one["name"].startswith(name))


def bind(provider: str, url: str, **options: Any) -> providers.Verifier:
    place = url.partition("?")[0]
    source = Source(
        name=provider,
        provider=provider,
        environment="production",
        path="/",
        url=place,
        options=OPTIONS.get(provider, {}) | options,
    )
    return providers.bind(source, SECRETS.get(provider, ["a-secret"]))


def ask(handshake: dict[str, Any], verifier: providers.Verifier) -> Reply | Verified:
    said = handshake["request"]
    request = Request(
        method=said["method"],
        target=("/" + said["url"].partition("://")[2].partition("/")[2]).encode(),
        headers=[(name.encode(), value.encode()) for name, value in said["headers"].items()],
        body=said["body"].encode(),
        received_at=NOW,
    )
    return verifier.check(request, NOW)


def is_the_wanted(reply: object, wanted: dict[str, Any]) -> None:
    assert isinstance(reply, Reply)
    headers = {name.decode().lower(): value.decode() for name, value in reply.headers}
    assert reply.status == wanted["status"]
    kind = headers.get("content-type", "").partition(";")[0]
    if "content_type" in wanted:
        assert kind == wanted["content_type"]
    if kind == "application/json":
        assert json.loads(reply.body) == json.loads(wanted["body"])
    else:
        assert reply.body.decode() == wanted["body"]
    for name, value in wanted.get("headers", {}).items():
        assert headers[name.lower()] == value


UNSIGNED = [
    ("slack", "ssl_check"),
    ("msgraph", "validationToken"),
    ("whatsapp", "hub.challenge"),
    ("twitter", "crc"),
    ("dropbox", "challenge"),
    ("asana", "X-Hook-Secret"),
    ("trello", "HEAD"),
    ("mandrill", "HEAD"),
    ("mailchimp", "GET"),
    ("cloudevents", "abuse"),
    ("braintree", "bt_challenge"),
    ("okta", "one-time"),
    ("notion", "verification_token"),
    ("woocommerce", "ping"),
    ("intercom", "validation"),
    ("websub", "hub.challenge"),
]


@pytest.mark.parametrize(("provider", "name"), UNSIGNED)
def test_unsigned_handshakes_get_their_answer(provider: str, name: str):
    handshake = named(provider, name)
    verifier = bind(provider, handshake["request"]["url"])
    assert handshake["request"]["method"] in verifier.methods | {"POST"}
    wanted = handshake["response"]
    if provider == "cloudevents":
        wanted["headers"].pop("WebHook-Allowed-Rate")
    is_the_wanted(ask(handshake, verifier), wanted)


@pytest.mark.parametrize(
    ("provider", "name"),
    [("slack", "url_verification"), ("zoom", "endpoint.url_validation"), ("twitch", "webhook_callback")],
)
def test_signed_handshakes_get_their_answer_only_when_signed(provider: str, name: str):
    handshake = named(provider, name)
    verifier = bind(provider, handshake["request"]["url"])
    body = handshake["request"]["body"].encode()
    headers = [(b"Twitch-Eventsub-Message-Type", b"webhook_callback_verification")] if provider == "twitch" else []
    signed = verifier.sign(body, now=NOW, id="m1", headers=headers)
    is_the_wanted(verifier.check(signed.request(NOW), NOW), handshake["response"])
    with pytest.raises(Rejected):
        verifier.check(Request(method="POST", target=b"/", headers=[], body=body, received_at=NOW), NOW)


def test_event_grid_gets_its_code_back_with_the_secret_in_the_url():
    handshake = named("azure-event-grid", "SubscriptionValidation")
    verifier = bind("azure-event-grid", handshake["request"]["url"])
    with pytest.raises(Rejected):
        ask(handshake, verifier)
    handshake["request"]["url"] += "?secret=a-secret"
    is_the_wanted(ask(handshake, verifier), handshake["response"])


def test_xero_intents_are_answered_200_when_right_and_401_when_wrong():
    good, bad = named("xero", "intent to receive (good)"), named("xero", "intent to receive (bad)")
    verifier = bind("xero", good["request"]["url"])
    signed = verifier.sign(good["request"]["body"].encode(), now=NOW)
    is_the_wanted(verifier.check(signed.request(NOW), NOW), good["response"])
    with pytest.raises(Rejected) as no:
        ask(bad, verifier)
    assert no.value.status == bad["response"]["status"]


@pytest.mark.parametrize("provider", ["adyen", "salesforce-outbound", "github"])
def test_acknowledgements_are_what_the_provider_wants(provider: str):
    secrets = {"adyen": ["44782DEF547AAA06C910C43932B1EB0C"]}
    source = Source(name=provider, provider=provider, environment="", path="/", url="https://h.example/")
    verifier = providers.bind(source, secrets.get(provider, ["a-secret"]))
    is_the_wanted(verifier.ack, named(provider, "ping" if provider == "github" else "ack")["response"])


@pytest.mark.parametrize("provider", ["asana", "notion"])
def test_a_secret_by_handshake_is_taken_only_while_it_is_expected(provider: str):
    handshake = named(provider, "X-Hook" if provider == "asana" else "verification")
    url = handshake["request"]["url"]
    learned = ask(handshake, bind(provider, url))
    assert isinstance(learned, providers.Learned)
    assert learned.secret in handshake["request"]["body"] + str(handshake["request"]["headers"])
    with pytest.raises(Rejected) as no:
        ask(handshake, bind(provider, url, expect_until=NOW - 1))
    assert no.value.reason == "handshake not expected"


def test_x_does_not_sign_bodies_for_strangers():
    """The answer to a CRC is the signature of the token as a body: so a token must not look like one."""
    verifier = bind("twitter", "https://h.example/webhooks/twitter")
    for token in (b"%7B%22for_user_id%22%3A1%7D", b"a%20b", b"x" * 300):
        with pytest.raises(Rejected):
            verifier.check(
                Request(method="GET", target=b"/?crc_token=" + token, headers=[], body=b"", received_at=NOW), NOW
            )


def test_what_x_signed_as_a_challenge_is_no_event():
    verifier = bind("twitter", "https://h.example/webhooks/twitter")
    asked = Request(method="GET", target=b"/?crc_token=1234", headers=[], body=b"", received_at=NOW)
    reply = verifier.check(asked, NOW)
    assert isinstance(reply, Reply)
    headers = [(b"x-twitter-webhooks-signature", json.loads(reply.body)["response_token"].encode())]
    with pytest.raises(Rejected):
        verifier.check(Request(method="POST", target=b"/", headers=headers, body=b"1234", received_at=NOW), NOW)


def test_what_braintree_signed_as_a_challenge_is_no_event():
    verifier = bind("braintree", "https://h.example/webhooks/braintree")
    challenge = b"20f9f8ed05f77439fe955c977e4c8a53"
    asked = Request(method="GET", target=b"/?bt_challenge=" + challenge, headers=[], body=b"", received_at=NOW)
    reply = verifier.check(asked, NOW)
    assert isinstance(reply, Reply)
    for end in (b"", b"%0A"):
        body = b"bt_signature=" + reply.body.replace(b"|", b"%7C") + b"&bt_payload=" + challenge + end
        headers = [(b"Content-Type", b"application/x-www-form-urlencoded")]
        with pytest.raises(Rejected):
            verifier.check(Request(method="POST", target=b"/", headers=headers, body=body, received_at=NOW), NOW)


def test_meta_is_refused_without_the_word_that_was_agreed():
    handshake = named("whatsapp", "hub.challenge")
    handshake["request"]["url"] = handshake["request"]["url"].replace("meatyhamhock", "nope")
    with pytest.raises(Rejected) as no:
        ask(handshake, bind("whatsapp", handshake["request"]["url"]))
    assert no.value.status == 403


def test_echoes_are_bounded_and_never_html():
    verifier = bind("msgraph", "https://h.example/webhooks/msgraph")

    def validate(token: bytes) -> Reply | Verified:
        target = b"/webhooks/msgraph?validationToken=" + token
        return verifier.check(Request(method="POST", target=target, headers=[], body=b"", received_at=NOW), NOW)

    reply = validate(b"%3Cscript%3E")
    assert isinstance(reply, Reply)
    assert reply.body == b"<script>"
    assert dict(reply.headers)[b"content-type"].startswith(b"text/plain")
    assert dict(reply.headers)[b"x-content-type-options"] == b"nosniff"
    with pytest.raises(Rejected):
        validate(b"x" * 5_000)


def test_a_test_of_the_connection_tells_nothing_and_is_answered():
    """Bitbucket Data Center's button; with anything to tell it must be signed."""
    verifier = bind("bitbucket", "https://h.example/webhooks/bitbucket")
    headers = [(b"X-Event-Key", b"diagnostics:ping")]
    for body, answered in ((b'{"test":true}', True), (b'{"test":true,"repository":{}}', False)):
        request = Request(method="POST", target=b"/", headers=headers, body=body, received_at=NOW)
        if answered:
            assert verifier.check(request, NOW) == Reply()
        else:
            with pytest.raises(Rejected):
                verifier.check(request, NOW)
