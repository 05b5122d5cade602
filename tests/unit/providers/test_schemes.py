"""The primitives, against the standard library; keys as they are published; and what a digest skips."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_cases import NAMES, NOW, practised, signed
from provider_vectors import DATA, MICROSOFT_KEYS, VECTORS

from hookline import providers, samples
from hookline.config import Source
from hookline.errors import ConfigError, Rejected, Unavailable
from hookline.model import Request, Verified
from hookline.providers.rows.jira import query_hash
from hookline.providers.rows.twilio import urls
from hookline.providers.schemes import jwt
from hookline.providers.schemes.mac import ALGORITHMS, Mac

RSA = providers.practice("wise").secrets[0]


@settings(max_examples=200)
@given(
    key=st.binary(min_size=1, max_size=200),
    parts=st.lists(st.binary(max_size=80), max_size=4),
    name=st.sampled_from(ALGORITHMS),
)
def test_a_mac_made_in_advance_is_the_standard_one(key: bytes, parts: list[bytes], name: str):
    mac = Mac(key, name)
    for _ in range(2):  # what was made in advance is not used up
        assert mac.digest(parts) == hmac.digest(key, b"".join(parts), name)


@pytest.mark.parametrize("name", NAMES)
def test_what_arrived_can_be_signed_afresh(name: str):
    """A late attempt is sent on with the original headers and a signature of now."""
    verifier = practised(name)
    first = signed(name, verifier)
    again = verifier.sign(first.body, now=NOW + 86_400, headers=first.headers, method=first.method)
    assert len({key.lower() for key, _ in again.headers}) == len(again.headers)
    result = verifier.check(again.request(NOW + 86_400), NOW + 86_400) if name != "linear" else None
    assert isinstance(result, Verified) or name == "linear"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b'{"keys":[]}',
        b'{"keys":[{"kty":"RSA"}]}',
        b"\xff",
        b'{"keys":7}',
        b'{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"k"}]}',
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        b"-----BEGIN PUBLIC KEY-----",
        b'{"kid":"-----BEGIN PUBLIC KEY-----"}',
    ],
)
def test_a_document_without_keys_is_refused(document: bytes):
    with pytest.raises(ValueError):
        providers.Keys().put("https://keys.example/", document)


def test_one_odd_key_does_not_hide_the_others():
    keys = providers.Keys()
    [good] = json.loads(_jwks("k1"))["keys"]
    assert keys.put("https://keys.example/", json.dumps({"keys": [{"kty": "oct"}, {"kty": "RSA"}, good]}).encode()) == 1
    assert keys.get("https://keys.example/", "k1")
    with pytest.raises(Unavailable):
        keys.get("https://keys.example/", "k2")
    assert keys.wanted == {"https://keys.example/": {"k2"}}


def _jwks(kid: str) -> bytes:
    numbers = load_pem_private_key(RSA.encode(), None).public_key().public_numbers()  # type: ignore[union-attr]  # RSA
    return json.dumps({"keys": [{"kty": "RSA", "kid": kid, "n": _b64(numbers.n), "e": _b64(numbers.e)}]}).encode()


def _b64(number: int) -> str:
    return jwt._encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def token(claims: dict[str, Any], kid: str = "k1", algorithm: str = "RS256") -> str:
    head = jwt._encode(json.dumps({"alg": algorithm, "kid": kid}).encode())
    text = head + b"." + jwt._encode(json.dumps(claims).encode())
    private: Any = load_pem_private_key(RSA.encode(), None)
    return (text + b"." + jwt._encode(jwt.make(private, text))).decode()


TENANT = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
APP = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f"
CLAIMS = {
    "aud": APP,
    "iss": f"https://sts.windows.net/{TENANT}/",
    "iat": int(NOW),
    "nbf": int(NOW),
    "exp": int(NOW) + 600,
    "appid": "0bf30f3b-4a52-48df-9a82-234910c4a086",
}


def rich(claims: dict[str, Any], **options: Any) -> Verified:
    keys = providers.Keys()
    keys.put(MICROSOFT_KEYS, _jwks("k1"))
    source = Source(
        name="g", provider="msgraph", environment="", path="/", url="https://h/", options={"app_ids": [APP]} | options
    )
    content = json.loads((DATA / "msgraph_encrypted_vector.json").read_text())["encryptedContent"]
    item = {"clientState": "cs", "changeType": "created", "resource": "chats/1", "encryptedContent": content}
    body = json.dumps({"value": [item], "validationTokens": [token(claims)]}).encode()
    request = Request(method="POST", target=b"/", headers=[], body=body, received_at=NOW)
    result = providers.bind(source, ["cs"], keys).check(request, NOW)
    assert isinstance(result, Verified)
    return result


def test_notifications_with_content_need_tokens_of_microsofts():
    assert rich(CLAIMS).events[0].type == "created"
    assert rich(CLAIMS | {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"}).events


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aud": "other"}, "wrong audience"),
        ({"iss": "https://sts.windows.net.evil.example/"}, "wrong issuer"),
        ({"iss": f"https://evil.example/?https://sts.windows.net/{TENANT}/"}, "wrong issuer"),
        ({"appid": "11111111-1111-1111-1111-111111111111"}, "wrong publisher"),
        ({"exp": int(NOW)}, "stale timestamp"),
        ({"exp": None}, "wrong audience"),
        ({"exp": "soon"}, "malformed signature"),
        ({"nbf": int(NOW) + 600}, "timestamp in the future"),
    ],
)
def test_tokens_of_others_are_refused(change: dict[str, Any], reason: str):
    with pytest.raises(Rejected) as no:
        rich(CLAIMS | change)
    assert no.value.reason == reason


def test_without_the_ids_of_our_apps_no_token_is_for_us():
    with pytest.raises(Rejected):
        rich(CLAIMS, app_ids=[])


def test_encrypted_content_is_opened_and_its_signature_checked():
    vector = json.loads((DATA / "msgraph_encrypted_vector.json").read_text())
    opened = providers.decrypt_graph(vector["encryptedContent"], vector["private_key_pem"])
    assert opened.decode() == vector["expected_plaintext"]
    for field in ("data", "dataSignature", "dataKey"):
        spoiled = vector["encryptedContent"] | {field: "A" + vector["encryptedContent"][field][1:]}
        with pytest.raises(ValueError):
            providers.decrypt_graph(spoiled, vector["private_key_pem"])
    with pytest.raises(ValueError):
        providers.decrypt_graph({}, vector["private_key_pem"])


def digest_of(name: str, value: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    verifier = practised(name)
    result = verifier.check(signed(name, verifier, body=json.dumps(value).encode(), headers=headers), NOW)
    assert isinstance(result, Verified)
    return verifier.digest(result.events[0])


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("stripe", {"id": "evt_1", "pending_webhooks": 2}, {"id": "evt_1", "pending_webhooks": 1}),
        ("github", {"action": "x", "installation": {"id": 1}}, {"action": "x", "organization": {"login": "o"}}),
        ("paddle", {"event_id": "e", "notification_id": "ntf_1"}, {"event_id": "e", "notification_id": "ntf_2"}),
        ("notion", {"id": "1", "attempt_number": 1}, {"id": "1", "attempt_number": 2}),
        ("hubspot", [{"eventId": 1, "attemptNumber": 0}], [{"eventId": 1, "attemptNumber": 3}]),
        ("coinbase-commerce", {"id": 1, "event": {"id": "e"}}, {"id": 2, "event": {"id": "e"}}),
    ],
)
def test_a_digest_skips_what_differs_between_two_deliveries(name: str, one: Any, two: Any):
    assert digest_of(name, one) == digest_of(name, two)


def test_a_digest_skips_nothing_else():
    assert digest_of("stripe", {"id": "evt_1", "a": 1}) != digest_of("stripe", {"id": "evt_1", "a": 2})
    assert digest_of("stripe", {"a": {"pending_webhooks": 1}}) != digest_of("stripe", {"a": {"pending_webhooks": 2}})
    assert digest_of("shopify", {"a": 1}) != digest_of("shopify", {"a": 2})


def test_one_event_through_two_hooks_has_one_id():
    """GitHub sends one GUID to every hook that subscribes to the event."""
    verifier = practised("github")
    body = samples.load("github", "push").body
    ids = set()
    for hook in (b"1", b"2"):
        request = signed("github", verifier, body=body, id="guid", headers=((b"X-GitHub-Hook-ID", hook),))
        result = verifier.check(request, NOW)
        assert isinstance(result, Verified)
        ids.add(result.events[0].id)
    assert ids == {"guid"}


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("github", b"payload=%7B%22action%22%3A%22opened%22%7D", "issues.opened"),
        ("slack", b"payload=%7B%22type%22%3A%22block_actions%22%7D", "block_actions"),
        ("slack", b"command=%2Fdeploy&text=now&trigger_id=1.2", "slash_command.deploy"),
    ],
)
def test_a_form_is_read_and_kept_as_it_came(name: str, body: bytes, kind: str):
    request = signed(name, body=body, type="issues", content_type="application/x-www-form-urlencoded")
    result = practised(name).check(request, NOW)
    assert isinstance(result, Verified)
    assert [(event.type, event.body) for event in result.events] == [(kind, body)]


def test_long_ids_stay_apart():
    verifier = practised("lemonsqueezy")
    found = set()
    for end in "ab":
        body = {"meta": {"event_name": "x"}, "data": {"id": "i" * 400 + end, "attributes": {"updated_at": "t"}}}
        result = verifier.check(signed("lemonsqueezy", verifier, body=json.dumps(body).encode()), NOW)
        assert isinstance(result, Verified)
        found.add(result.events[0].id)
    assert len(found) == 2
    assert all(name is not None and len(name) <= 255 for name in found)


def test_a_hash_of_the_secret_and_a_text_cannot_be_lengthened():
    """SHA-256(secret + body) lets anybody append to the body, if it may hold the padding: NULs are refused."""
    vector = next(vector for vector in VECTORS if vector.id == "hubspot-v1")
    length = len(vector.secrets[0]) + len(vector.body)
    padding = b"\x80" + b"\0" * ((55 - length) % 64) + (length * 8).to_bytes(8, "big")
    longer = vector.body + padding + b"x"
    digest = hashlib.sha256(vector.secrets[0].encode() + longer).hexdigest().encode()  # as an attacker would reach it
    headers = [(b"X-HubSpot-Signature", digest), (b"X-HubSpot-Signature-Version", b"v1")]
    request = msgspec.structs.replace(vector.request, body=longer, headers=headers)
    with pytest.raises(Rejected):
        vector.verifier().check(request, NOW)


@pytest.mark.parametrize(
    ("method", "path", "query", "digest"),
    [
        # the published example of atlassian-jwt's documentation and its canonical forms
        (
            "GET",
            "/path/to/service",
            "zee_last=param&repeated=parameter%201&first=param&repeated=parameter%202",
            "GET&/path/to/service&first=param&repeated=parameter%201,parameter%202&zee_last=param",
        ),
        ("get", "/", "", "GET&/&"),
        ("POST", "/a/", "jwt=x.y.z&b=%7e&a=~+1", "POST&/a&a=~%201&b=~"),
        ("GET", "/p&q", "x=", "GET&/p%26q&x="),
    ],
)
def test_connects_query_hash_is_over_the_canonical_request(method: str, path: str, query: str, digest: str):
    assert query_hash(method, path, query) == hashlib.sha256(digest.encode()).hexdigest()


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("https://h.example/a?b=1", "https://h.example:443/a?b=1"),
        ("http://h.example/a", "http://h.example:80/a"),
        ("https://h.example:8443/a", "https://h.example/a"),
        ("https://u:p@h.example:8443/", "https://u:p@h.example/"),
    ],
)
def test_twilio_may_have_signed_with_or_without_the_port(url: str, other: str):
    assert urls(url) == [url, other]


def test_an_odd_port_is_left_alone():
    assert urls("https://h.example:http/a") == ["https://h.example:http/a"]


def test_gitlabs_signing_token_is_never_accepted_in_the_clear():
    practice = providers.practice("gitlab")
    source = Source(name="g", provider="gitlab", environment="", path="/", url="https://h/")
    verifier = providers.bind(source, [practice.secrets[0], "plain"])
    leaked = [(b"X-Gitlab-Token", practice.secrets[0].encode())]
    with pytest.raises(Rejected):
        verifier.check(Request(method="POST", target=b"/", headers=leaked, body=b"{}", received_at=NOW), NOW)
    plain = [(b"X-Gitlab-Token", b"plain")]
    result = verifier.check(Request(method="POST", target=b"/", headers=plain, body=b"{}", received_at=NOW), NOW)
    assert isinstance(result, Verified)
    assert result.secret == 1
    assert verifier.sends_secret
    assert not providers.bind(source, [practice.secrets[0]]).sends_secret


PRIVATE = {
    "RS256": RSA,
    "ES256": providers.practice("sendgrid").secrets[0],
    "EdDSA": providers.practice("discord").secrets[0],
    "HS256": "a-shared-secret",
}


def public_pem(private: str) -> str:
    key: Any = load_pem_private_key(private.encode(), None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwt_source(algorithm: str, **options: Any) -> Source:
    said = {"token": {"algorithm": algorithm}, "issuer": "them", "audience": "us", "body_hash": "sha256"} | options
    return Source(name="j", provider="jwt", environment="", path="/", url="https://h/", options=said)


@pytest.mark.parametrize("algorithm", sorted(PRIVATE))
def test_a_token_of_the_senders_key_and_no_other(algorithm: str):
    private = PRIVATE[algorithm]
    request = providers.bind(jwt_source(algorithm), [private]).sign(b"{}", now=NOW).request(NOW)
    known = private if algorithm == "HS256" else public_pem(private)
    verifier = providers.bind(jwt_source(algorithm), [known])
    assert isinstance(verifier.check(request, NOW), Verified)
    refused = {
        "stale timestamp": (verifier, request, NOW + 300),
        "timestamp in the future": (verifier, request, NOW - 61),
        "bad signature": (verifier, msgspec.structs.replace(request, body=b"[]"), NOW),
        "wrong issuer": (providers.bind(jwt_source(algorithm, issuer="others"), [known]), request, NOW),
        "wrong audience": (providers.bind(jwt_source(algorithm, audience="others"), [known]), request, NOW),
    }
    for reason, (judge, said, now) in refused.items():
        with pytest.raises(Rejected) as no:
            judge.check(said, now)
        assert no.value.reason == reason
    for other in sorted(set(PRIVATE) - {algorithm}):
        key = PRIVATE[other] if other == "HS256" else public_pem(PRIVATE[other])
        with pytest.raises(Rejected, match="wrong algorithm"):
            providers.bind(jwt_source(other), [key]).check(request, NOW)


def test_a_public_key_is_never_a_shared_secret():
    """The classic confusion: a token signed by HMAC with the text of the public key."""
    public = public_pem(RSA)
    forged = providers.bind(jwt_source("HS256"), [public]).sign(b"{}", now=NOW).request(NOW)
    with pytest.raises(Rejected, match="wrong algorithm"):
        providers.bind(jwt_source("RS256"), [public]).check(forged, NOW)
    with pytest.raises(ConfigError, match="private key"):
        providers.bind(jwt_source("RS256"), [public]).sign(b"{}", now=NOW)


@pytest.mark.parametrize("form", ["hex", "base64", "pem", "der"])
def test_an_ed25519_key_may_be_written_in_any_usual_form(form: str):
    private = PRIVATE["EdDSA"]
    key: Any = load_pem_private_key(private.encode(), None)
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    written = {
        "hex": raw.hex(),
        "base64": base64.b64encode(raw).decode(),
        "pem": public_pem(private),
        "der": base64.b64encode(der).decode(),
    }
    practice = providers.practice("ed25519")
    source = Source(name="e", provider="ed25519", environment="", path="/", url="https://h/", options=practice.options)
    request = providers.bind(source, [private]).sign(b"{}", now=NOW).request(NOW)
    verifier = providers.bind(source, [written[form]])
    assert isinstance(verifier.check(request, NOW), Verified)
    with pytest.raises(ConfigError, match="private key"):
        verifier.sign(b"{}", now=NOW)


def test_standard_webhooks_sign_with_the_private_half_and_check_with_the_public():
    key: Any = load_pem_private_key(PRIVATE["EdDSA"].encode(), None)
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    source = Source(name="s", provider="standard-webhooks", environment="", path="/", url="https://h/")
    for secret in (seed, seed + raw):
        signer = providers.bind(source, ["whsk_" + base64.b64encode(secret).decode()])
        request = signer.sign(b"{}", now=NOW, id="m1").request(NOW)
        verifier = providers.bind(source, ["whpk_" + base64.b64encode(raw).decode()])
        assert isinstance(verifier.check(request, NOW), Verified)
        with pytest.raises(ConfigError, match="private key"):
            verifier.sign(b"{}", now=NOW)


@pytest.mark.parametrize(
    ("signature", "timestamp"),
    [
        ({"header": "X-Sig"}, None),
        ({"header": "X-Sig", "algorithm": "sha512", "encoding": "base64", "prefix": "v1:"}, None),
        ({"header": "X-Sig", "encoding": "hex-upper", "signs": "{method}\n{url}\n{body}"}, None),
        ({"header": "X-Sig", "key": "hex"}, {"header": "X-Time", "unit": "ms"}),
        (
            {"header": "X-Sig", "key": "base64", "signs": "{header.X-Id}|{timestamp}|{body}"},
            {"header": "X-T", "unit": "iso"},
        ),
        ({"header": "X-Sig", "separator": ";", "label": "h1", "time": "ts"}, None),
        ({"header": "X-Sig", "separator": " ", "assign": ",", "label": "v1"}, None),
        ({"header": "X-Sig", "repeats": True, "prefix": "sha256="}, None),
    ],
)
def test_an_in_house_scheme_needs_no_code(signature: dict[str, Any], timestamp: dict[str, Any] | None):
    options: dict[str, Any] = {"signature": signature, "id": "header.X-Id", "type": "body.event"}
    options |= {"timestamp": timestamp} if timestamp else {}
    source = Source(name="b", provider="hmac", environment="", path="/", url="https://h/b", options=options)
    verifier = providers.bind(source, ["c0ffee00c0ffee00"])
    request = verifier.sign(b'{"event":"x.y"}', now=NOW, id="7").request(NOW)
    result = verifier.check(request, NOW)
    assert isinstance(result, Verified)
    assert [(event.id, event.type) for event in result.events] == [("7", "x.y")]
    signs = verifier.provider
    assert signs.signs_time == (timestamp is not None or "time" in signature)
    assert signs.signs_id == ("X-Id" in signature.get("signs", ""))
    for name, value in request.headers:
        if name in (b"X-Sig", b"X-Time", b"X-T"):
            spoiled = [(key, said[:-1] + b"7" if key == name else said) for key, said in request.headers]
            if value.endswith(b"7"):
                spoiled = [(key, said[:-1] + b"8" if key == name else said) for key, said in request.headers]
            with pytest.raises(Rejected):
                verifier.check(msgspec.structs.replace(request, headers=spoiled), NOW)


def test_signatures_of_a_rotation_may_come_in_headers_of_their_own():
    """Mollie repeats the header while two secrets are valid; up to eight are looked at."""
    verifier = practised("mollie")
    request = signed("mollie", verifier)
    fake = (b"X-Mollie-Signature", b"sha256=" + b"0" * 64)
    for before, accepted in ((1, True), (7, True), (8, False)):
        many = msgspec.structs.replace(request, headers=[fake] * before + list(request.headers))
        if accepted:
            assert isinstance(verifier.check(many, NOW), Verified)
        else:
            with pytest.raises(Rejected):
                verifier.check(many, NOW)


def test_a_published_set_replaces_the_one_before():
    """A key that its provider has withdrawn must not stay good here for ever."""
    keys = providers.Keys()
    keys.put("https://keys.example/", _jwks("old"))
    keys.put("https://keys.example/", _jwks("new"))
    assert keys.get("https://keys.example/", "new")
    with pytest.raises(Unavailable):
        keys.get("https://keys.example/", "old")


def test_plaid_is_asked_for_one_key_at_a_time_with_the_customers_credentials():
    keys = providers.Keys()
    options = {"client_id": "us", "sandbox": True}
    source = Source(name="plaid", provider="plaid", environment="", path="/", url="https://h/", options=options)
    providers.bind(source, ["api-secret"], keys)
    [(url, question)] = keys.questions.items()
    assert url == "https://sandbox.plaid.com/webhook_verification_key/get"
    assert question == {"client_id": "us", "secret": "api-secret"}
    for kid in ("one", "two"):  # each answer holds one key, and the others stay
        [key] = json.loads(_jwks(kid))["keys"]
        assert keys.put(url, json.dumps({"key": key, "request_id": "r"}).encode()) == 1
    assert keys.get(url, "one")
    assert keys.get(url, "two")


def test_a_subaccounts_event_is_vouched_for_by_the_primary_account():
    """Mailgun signs twice: with the subaccount's key, and with its parent's."""
    verifier = practised("mailgun")
    value = json.loads(signed("mailgun", verifier).body)
    value["signature"] |= {"parent-signature": value["signature"]["signature"], "signature": "0" * 64}
    request = Request(method="POST", target=b"/", headers=[], body=json.dumps(value).encode(), received_at=NOW)
    assert isinstance(verifier.check(request, NOW), Verified)
    value["signature"]["parent-signature"] = "0" * 64
    with pytest.raises(Rejected):
        verifier.check(msgspec.structs.replace(request, body=json.dumps(value).encode()), NOW)


def test_twitch_tells_a_revocation_from_an_event():
    verifier = practised("twitch")
    body = b'{"subscription":{"type":"stream.online"}}'
    for said, kind in ((b"notification", "stream.online"), (b"revocation", "revocation")):
        request = signed("twitch", verifier, body=body, headers=((b"Twitch-Eventsub-Message-Type", said),))
        result = verifier.check(request, NOW)
        assert isinstance(result, Verified)
        assert result.events[0].type == kind
