"""The table says something about every provider, and the page says what the table says."""

from __future__ import annotations

from pathlib import Path

import pytest
from provider_cases import NAMES, practised

from hookline import providers
from hookline.config import Source
from hookline.errors import ConfigError
from hookline.providers.page import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "providers.md"


def test_the_reference_page_is_current():
    """If it is not: ``python -m hookline.providers > docs/reference/providers.md``."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("name", NAMES)
def test_a_row_tells_what_people_need(name: str):
    row = providers.PROVIDERS[name]
    assert row.title
    assert row.docs.startswith("https://")
    assert row.credential
    assert 1 <= row.deadline <= 100
    assert "POST" in row.methods
    assert row.ack.status in (200, 202, 204)
    if row.signs_time and row.tolerance is None:
        # those that deliver old requests, or of which we do not know that they sign again
        assert name in {
            "aws-sns",
            "jira-connect",
            "jwt",
            "paypal",
            "plaid",
            "sendgrid",
            "zendesk",
        }


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"plaid", "aws-sns", "google-pubsub", "paypal"}))
@pytest.mark.parametrize("secret", ["", " ", "\n\t", "\udc80:\udcff"])
def test_an_empty_or_unreadable_secret_is_a_fault_of_the_configuration(name: str, secret: str):
    source = Source(
        name="shop", provider=name, environment="", path="/", url="https://h/", options=providers.practice(name).options
    )
    with pytest.raises(ConfigError, match=r"sources\.shop\.secrets\[0\]"):
        providers.bind(source, [secret])
    with pytest.raises(ConfigError, match=r"sources\.shop\.secrets"):
        providers.bind(source, [])


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("svix", "whsec_not base64"),
        ("standard-webhooks", "whpk_AAAA"),
        ("standard-webhooks", "whsk_AAAA"),
        ("adyen", "not hex"),
        ("adyen", "ABC"),
        ("discord", "00"),
        ("discord", "zz" * 32),
        ("sendgrid", "AAAA"),
        ("wise", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
        ("braintree", "no colon"),
        ("basic", "no colon"),
        ("postmark", "no colon"),
    ],
)
def test_an_undecodable_secret_is_named_with_its_place(name: str, secret: str):
    source = Source(name="shop", provider=name, environment="", path="/", url="https://h/")
    with pytest.raises(ConfigError, match=r"sources\.shop\.secrets\[1\]"):
        providers.bind(source, [providers.practice(name).secrets[0], secret])


def test_an_unknown_provider_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match='did you mean "github"'):
        providers.bind(Source(name="a", provider="gitub", environment="", path="/", url=""), ["x"])
    with pytest.raises(ConfigError, match="hmac, token or basic"):
        providers.bind(Source(name="a", provider="qqqq", environment="", path="/", url=""), ["x"])


SIGNATURE = {"header": "X-Sig"}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("github", {"signatur": {}}, r"sources\.s\.signatur: provider github has no such key"),
        ("hmac", {}, r"sources\.s\.signature\.header: a header's name is wanted"),
        ("hmac", {"signature": "X-Sig"}, r"sources\.s\.signature: a table is wanted"),
        ("hmac", {"signature": {"header": "X Sig"}}, r"signature\.header"),
        ("hmac", {"signature": {"header": "X-Sig", "algo": "x"}}, r"signature\.algo: not known"),
        ("hmac", {"signature": SIGNATURE | {"algorithm": "md5"}}, r"signature\.algorithm: one of sha256"),
        ("hmac", {"signature": SIGNATURE | {"encoding": "octal"}}, r"signature\.encoding: one of hex"),
        ("hmac", {"signature": SIGNATURE | {"key": "rot13"}}, r"signature\.key: one of text"),
        ("hmac", {"signature": SIGNATURE | {"signs": "{timestamp}.{body}"}}, r"timestamp: missing"),
        ("hmac", {"signature": SIGNATURE | {"signs": "{url}"}}, r"signs: \{body\} is missing"),
        ("hmac", {"signature": SIGNATURE | {"signs": "{body}{nonce}"}}, r"signs: \{nonce\} is not known"),
        ("hmac", {"signature": SIGNATURE, "timestamp": {"header": "X-T", "unit": "h"}}, r"timestamp\.unit: one of s"),
        (
            "hmac",
            {"signature": SIGNATURE, "timestamp": {"header": "X-T", "tolerance": "soon"}},
            r"timestamp\.tolerance",
        ),
        ("hmac", {"signature": SIGNATURE, "type": "event"}, r"sources\.s\.type: not a place"),
        ("hmac", {"signature": SIGNATURE, "id": 7}, r"sources\.s\.id: not a place"),
        ("token", {}, r"sources\.s\.token: missing"),
        ("token", {"token": {"header": "A", "query": "b"}}, r"sources\.s\.token: either"),
        ("ed25519", {}, r"sources\.s\.signature\.header"),
        ("jwt", {"token": {"algorithm": "none"}}, r"token\.algorithm: one of HS256"),
        ("jwt", {"token": {"keys_url": "http://h/"}}, r"token\.keys_url: an https URL"),
        ("aws-sns", {}, r"sources\.s\.topic_arn: missing"),
        ("paypal", {}, r"sources\.s\.webhook_id: missing"),
        ("google-pubsub", {"audience": "a"}, r"sources\.s\.email: missing"),
        ("grafana", {"timestamp_header": 7}, r"sources\.s\.timestamp_header"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_wanted(name: str, options: dict[str, object], words: str):
    source = Source(name="s", provider=name, environment="", path="/", url="https://h/", options=options)
    with pytest.raises(ConfigError, match=words):
        providers.bind(source, ["a-secret"])


def test_a_source_answers_as_it_was_told_to():
    reply = {"status": 200, "content_type": "text/xml", "body": "<Response/>"}
    verifier = practised("github", reply=reply)
    assert (verifier.ack.status, verifier.ack.body) == (200, b"<Response/>")
    assert dict(verifier.ack.headers) == {b"content-type": b"text/xml"}
