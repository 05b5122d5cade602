"""Why a signature fails, by name and with the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_cases import NAMES, NOW, practised, signed

from hookline import providers, samples
from hookline.config import Source
from hookline.model import Request
from hookline.providers.doctor import FINDINGS

SECRET = "whsec_practice"
BODY = b'{\n  "id": "evt_1",\n  "type": "invoice.paid",\n  "note": "h\xc3\xa9llo/there"\n}'


def source_of(name: str, **changes: Any) -> Source:
    fields: dict[str, Any] = {
        "name": name,
        "provider": name,
        "environment": "production",
        "path": f"/webhooks/{name}",
        "url": f"https://hooks.example.com/webhooks/{name}",
        "options": providers.practice(name).options,
    }
    return Source(**(fields | changes))


def sent(name: str = "stripe", secret: str = SECRET, body: bytes = BODY, **more: Any) -> Request:
    verifier = providers.bind(source_of(name), [secret])
    return verifier.sign(body, **({"now": NOW, "type": "push"} | more)).request(NOW)


def finding(request: Request, *secrets: str, name: str = "stripe", now: float = NOW, **more: Any) -> providers.Finding:
    [only] = providers.diagnose(source_of(name), secrets, request, now, **more)
    assert only.name in FINDINGS
    assert only.why
    assert only.cure
    for secret in secrets:
        assert secret.strip() == "" or secret not in only.why + only.cure
    return only


def test_the_page_explains_every_finding():
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "when-a-signature-fails.md").read_text()
    explained = {
        name for line in page.splitlines() if line.startswith("|") for name in line.split("|")[1].strip().split(", ")
    }
    assert set(FINDINGS) <= explained


def test_a_setting_that_cannot_be_used():
    [found] = providers.diagnose(source_of("hmac", options={"signature": 7}), [SECRET], sent(), NOW)
    assert found.name == "unusable setting"


def test_a_sender_whose_own_secret_ends_with_a_newline():
    assert finding(sent("github", "hush-hush\n"), "hush-hush", name="github").name == "newline missing from the secret"


def test_a_right_request_has_no_finding():
    assert providers.diagnose(source_of("stripe"), [SECRET], sent(), NOW) == []


def test_a_wrong_secret():
    found = finding(sent(), "whsec_other")
    assert found.name == "wrong secret"
    assert "signing secret" in found.cure


def test_the_secret_of_another_source():
    found = finding(sent(), "whsec_other", others={"stripe-live": ["whsec_no", SECRET]})
    assert found.name == "other source's secret"
    assert "stripe-live" in found.why


@pytest.mark.parametrize("spelled", [SECRET + "\n", " " + SECRET, SECRET + "\t", SECRET + "\r\n"])
def test_whitespace_in_the_secret(spelled: str):
    assert finding(sent(), spelled).name == "whitespace in the secret"


@pytest.mark.parametrize("spelled", [f'"{SECRET}"', f"'{SECRET}'", f'"{SECRET}"\n'])
def test_quotes_in_the_secret(spelled: str):
    assert finding(sent(), spelled).name == "quotes in the secret"


def test_the_name_of_a_variable_in_the_secret():
    assert finding(sent(), f"STRIPE_SECRET={SECRET}").name == "name in the secret"


def test_a_prefix_that_was_left_away():
    assert finding(sent(), SECRET.removeprefix("whsec_")).name == "prefix"


@pytest.mark.parametrize(
    "spelled", ['"whsec_cHJhY3RpY2UgbWFrZXMgYSB3ZWJob29r"', "whsec_cHJhY3RpY2UgbWFrZXMgYSB3ZWJob29r\n"]
)
def test_an_undecodable_secret_is_told_from_a_wrong_one(spelled: str):
    found = finding(sent("svix", "whsec_cHJhY3RpY2UgbWFrZXMgYSB3ZWJob29r"), spelled, name="svix")
    assert found.name in ("quotes in the secret", "whitespace in the secret")
    assert (
        finding(sent("svix", "whsec_cHJhY3RpY2UgbWFrZXMgYSB3ZWJob29r"), "whsec_?!", name="svix").name
        == "unusable secret"
    )


def test_a_secret_read_in_the_wrong_encoding():
    """The sender decodes the hex that it shows; we take it as text."""
    decoded = bytes.fromhex("6b65792d6f662d7468652d73656e6465").decode()
    found = finding(sent("github", decoded), "6b65792d6f662d7468652d73656e6465", name="github")
    assert found.name == "wrong encoding"
    assert "hex" in found.why


@pytest.mark.parametrize(
    ("arrived", "name"),
    [
        (BODY + b"\n", "newline added"),
        (BODY + b"\r\n", "newline added"),
        (BODY.replace(b"\n", b"\r\n"), "newlines changed"),
        (json.dumps(json.loads(BODY)).encode(), "body re-encoded"),
        (json.dumps(json.loads(BODY), separators=(",", ":")).encode(), "body re-encoded"),
        (b"\xef\xbb\xbf" + BODY, "body re-encoded"),
        (BODY.decode("latin-1").encode(), "body re-encoded"),
        (BODY.replace(b"/", b"\\/"), "body re-encoded"),
    ],
)
def test_a_body_that_was_changed_on_its_way(arrived: bytes, name: str):
    found = finding(msgspec.structs.replace(sent(), body=arrived), SECRET)
    assert found.name == name
    assert "raw bytes" in found.cure


def test_a_newline_that_was_lost():
    request = sent(body=b'{"id":"evt_1"}\r\n')
    assert finding(msgspec.structs.replace(request, body=b'{"id":"evt_1"}'), SECRET).name == "newline lost"


def test_compact_json_that_was_made_pretty():
    request = sent(body=b'{"id":"evt_1","a":[1,2]}')
    pretty = json.dumps(json.loads(request.body), indent=4).encode()
    assert finding(msgspec.structs.replace(request, body=pretty), SECRET).name == "body re-encoded"


def test_a_form_that_was_written_again():
    request = sent("slack", body=b"text=a+b&x=1", content_type="application/x-www-form-urlencoded")
    found = finding(msgspec.structs.replace(request, body=b"text=a%20b&x=1"), SECRET, name="slack")
    assert found.name == "body re-encoded"


@pytest.mark.parametrize(
    ("offset", "words"), [(3_600, "60 minutes older"), (-7_200, "2 hours ahead"), (400, "6 minutes")]
)
def test_a_clock_that_is_wrong(offset: int, words: str):
    found = finding(sent(), SECRET, now=NOW + offset)
    assert found.name == "stale clock"
    assert words in found.why


@pytest.mark.parametrize(
    "told",
    [
        "http://hooks.example.com/webhooks/twilio",
        "https://hooks.example.com/webhooks/twilio/",
        "https://other.example.com/webhooks/twilio",
        "https://hooks.example.com/public/twilio",
    ],
)
def test_a_url_that_is_not_the_one_the_provider_was_told(told: str):
    theirs = providers.bind(source_of("twilio", url=told), [SECRET])
    signed_there = theirs.sign(b"Body=Hi", now=NOW, content_type="application/x-www-form-urlencoded").request(NOW)
    request = msgspec.structs.replace(
        signed_there, headers=[*signed_there.headers, (b"Host", told.split("/")[2].encode())]
    )
    found = finding(request, SECRET, name="twilio")
    assert found.name == "wrong URL"
    assert told.partition("://")[2] in found.why


def test_a_url_signed_without_a_port_that_we_have():
    theirs = providers.bind(source_of("square", url="https://hooks.example.com/webhooks/square"), [SECRET])
    request = theirs.sign(b"{}", now=NOW).request(NOW)
    ours = source_of("square", url="https://hooks.example.com:8443/webhooks/square")
    [found] = providers.diagnose(ours, [SECRET], request, NOW)
    assert found.name == "wrong URL"


def test_a_scheme_configured_otherwise_than_it_is_signed():
    theirs = source_of("hmac", options={"signature": {"header": "X-Sig", "encoding": "base64", "algorithm": "sha512"}})
    request = providers.bind(theirs, [SECRET]).sign(b"{}", now=NOW).request(NOW)
    ours = source_of("hmac", options={"signature": {"header": "X-Sig"}})
    [found] = providers.diagnose(ours, [SECRET], request, NOW)
    assert found.name == "wrong encoding"
    assert "sha512 in base64" in found.why


def test_a_request_without_a_signature():
    request = msgspec.structs.replace(sent(), headers=[(b"Content-Type", b"application/json")])
    found = finding(request, SECRET)
    assert found.name == "no signature"
    assert "Stripe-Signature" in found.why


def test_a_request_of_another_provider():
    found = finding(sent("github", SECRET), SECRET)
    assert found.name == "other provider"
    assert "GitHub" in found.why


def test_a_header_that_comes_twice():
    request = sent()
    found = finding(msgspec.structs.replace(request, headers=request.headers * 2), SECRET)
    assert found.name == "header twice"


def test_a_lost_timestamp():
    request = sent("slack")
    headers = [pair for pair in request.headers if b"Timestamp" not in pair[0]]
    assert finding(msgspec.structs.replace(request, headers=headers), SECRET, name="slack").name == "no timestamp"


def test_a_message_that_is_meant_for_another():
    practice = providers.practice("aws-sns")
    other = source_of("aws-sns", options={"topic_arn": "arn:aws:sns:us-east-1:123456789012:ours"})
    [found] = providers.diagnose(other, [], signed("aws-sns"), NOW, keys=practice.keys)
    assert found.name == "meant for another"
    assert "wrong topic" in found.why
    assert "topic_arn" in found.cure


def test_a_key_that_is_still_to_be_fetched():
    [found] = providers.diagnose(source_of("plaid"), [], signed("plaid"), NOW)
    assert found.name == "no key"


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=2, deadline=None)
@given(body=st.binary(max_size=40), header=st.binary(max_size=20))
def test_the_doctor_survives_anything(name: str, body: bytes, header: bytes):
    practice = providers.practice(name)
    request = Request(
        method="POST",
        target=b"/x?" + header,
        headers=[(key, header) for key in practised(name).plan.wanted],
        body=body,
        received_at=NOW,
    )
    found = providers.diagnose(source_of(name), practice.secrets, request, NOW, keys=practice.keys)
    assert len(found) <= 1


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"hmac", "token", "basic", "ed25519", "jwt"}))
def test_a_request_is_recognised_by_its_headers_or_not_at_all(name: str):
    sample = samples.load(name, samples.types(name)[0])
    arrived = (
        practised(name)
        .sign(sample.body, now=NOW, type=sample.type, id="x", content_type=sample.content_type)
        .request(NOW)
    )
    family = {"clerk": "svix", "resend": "svix", "intercom": None, "jira-connect": "jira", "whatsapp": None}
    assert providers.recognise(arrived) in (name, None, family.get(name))
    if name in ("github", "stripe", "shopify", "twilio", "slack", "jira", "mandrill", "svix", "standard-webhooks"):
        assert providers.recognise(arrived) == name


def test_anybodys_request_is_nobodys():
    request = Request(method="POST", target=b"/", headers=[(b"User-Agent", b"curl/8")], body=b"{}", received_at=NOW)
    assert providers.recognise(request) is None
