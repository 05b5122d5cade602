"""What holds for every provider: total, strict, and able to check what it signed."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider_cases import NAMES, NOW, body_for, changed, practised, signed

from hookline import providers
from hookline.config import Source
from hookline.errors import ConfigError, Rejected, Unavailable
from hookline.model import Reply, Request, Verified

BODY_UNSIGNED = {
    # proves who sent it, and nothing about what
    "alertmanager",
    "auth0",
    "azure-devops",
    "azure-event-grid",
    "basic",
    "cloudevents",
    "datadog",
    "docker-hub",
    "google-pubsub",
    "jira-connect",
    "mailchimp",
    "mailgun",
    "msgraph",
    "okta",
    "pipedrive",
    "postmark",
    "salesforce-outbound",
    "telegram",
    "token",
}
PARTLY_SIGNED = {"adyen", "aws-sns"}
VERIFIERS = {name: practised(name) for name in NAMES}
SIGNED = {name: signed(name, verifier) for name, verifier in VERIFIERS.items()}

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answer(
    verifier: providers.Verifier, request: Request, now: float = NOW
) -> Verified | Reply | Rejected | Unavailable:
    """The outcome, if it is one of the four; anything else is a failure of the test."""
    try:
        outcome: Verified | Reply | Rejected | Unavailable = verifier.check(request, now)
    except (Rejected, Unavailable) as no:
        outcome = no
    if isinstance(outcome, Rejected):
        assert outcome.reason
        assert 400 <= outcome.status < 500
    if isinstance(outcome, Unavailable):
        assert outcome.reason != "check failed", repr(outcome.__cause__)
    return outcome


def is_refused(outcome: object) -> bool:
    return isinstance(outcome, Rejected | Unavailable)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_signed_is_accepted(name: str):
    result = VERIFIERS[name].check(SIGNED[name], NOW)
    assert isinstance(result, Verified)
    assert all(len(VERIFIERS[name].digest(event)) == 16 for event in result.events)


def other_secret(mine: str) -> str:
    """One of the same form that is not the same."""
    if mine.startswith("whsec_"):
        return "whsec_" + base64.b64encode(b"somebody else's webhook").decode()
    public, colon, _ = mine.partition(":")
    if colon:
        return f"{public}:another"
    return mine[::-1]


OWN_KEYS = [name for name in NAMES if "PRIVATE KEY" not in providers.practice(name).secrets[0]]


@pytest.mark.parametrize("name", OWN_KEYS)
def test_every_secret_is_tried_and_another_one_rejected(name: str):
    practice = providers.practice(name)
    mine = practice.secrets[0]
    other = other_secret(mine)
    url = VERIFIERS[name].plan.url
    source = Source(name=name, provider=name, environment="", path="/", url=url, options=practice.options)
    assert is_refused(answer(providers.bind(source, [other], practice.keys), SIGNED[name]))
    for secrets in ([other, mine], [mine, other]):
        result = providers.bind(source, secrets, practice.keys).check(SIGNED[name], NOW)
        assert isinstance(result, Verified)
        assert secrets[result.secret] == mine


@pytest.mark.parametrize("name", sorted(set(NAMES) - BODY_UNSIGNED - PARTLY_SIGNED))
@quick
@given(data=st.data())
def test_a_flipped_bit_of_the_body_is_rejected(name: str, data: st.DataObject):
    request = SIGNED[name]
    bit = data.draw(st.integers(0, len(request.body) * 8 - 1))
    body = bytearray(request.body)
    body[bit // 8] ^= 1 << (bit % 8)
    outcome = answer(VERIFIERS[name], changed(request, body=bytes(body)))
    assert is_refused(outcome) or same_form(name, request.body, bytes(body))


def same_form(name: str, before: bytes, after: bytes) -> bool:
    """Form signers sign decoded values: ``+`` and ``%20``, ``%c3`` and ``%C3`` are the same to them."""
    if name not in ("twilio", "mandrill", "braintree"):
        return False

    def read(body: bytes) -> dict[str, list[str]]:
        return parse_qs(body.decode(errors="replace"), keep_blank_values=True)

    return joined(read(before)) == joined(read(after))


def joined(form: dict[str, list[str]]) -> str:
    """Names and values run together, as they are signed: a moved border between them is not seen by anybody."""
    return "".join(name + "".join(sorted(set(values))) for name, values in sorted(form.items()))


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data())
def test_a_flipped_bit_of_a_signature_is_rejected(name: str, data: st.DataObject):
    """Headers that prove something, each bit of each of them."""
    verifier = VERIFIERS[name]
    request = SIGNED[name]
    proving = [i for i, (key, _) in enumerate(request.headers) if is_proof(verifier, key)]
    if not proving:
        return  # inside the body or the URL: other tests flip those
    index = data.draw(st.sampled_from(proving))
    key, value = request.headers[index]
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    flipped = bytearray(value)
    flipped[bit // 8] ^= 1 << (bit % 8)
    headers = list(request.headers)
    headers[index] = (key, bytes(flipped))
    outcome = answer(verifier, changed(request, headers=headers))
    scheme = value.partition(b" ")[0].lower()
    if scheme in (b"basic", b"bearer", b"jwt") and bytes(flipped).lower() == value.lower():
        return  # the scheme's name is free to be written in any case
    assert is_refused(outcome)


def is_proof(verifier: providers.Verifier, header: bytes) -> bool:
    scheme = verifier.provider.scheme
    described = {b"x-amz-sns-message-type", b"twitch-eventsub-message-type", b"protocol"}
    return header.lower() in {name.lower().encode() for name in scheme.headers()} - described


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data())
def test_a_truncated_or_longer_signature_is_rejected(name: str, data: st.DataObject):
    verifier = VERIFIERS[name]
    request = SIGNED[name]
    proving = [i for i, (key, _) in enumerate(request.headers) if is_proof(verifier, key)]
    if not proving:
        return
    index = data.draw(st.sampled_from(proving))
    key, value = request.headers[index]
    cut = data.draw(st.integers(0, len(value) - 1))
    more = data.draw(st.binary(min_size=1, max_size=4).filter(lambda tail: tail.strip(b" ,;\t\r\n\v\f")))
    for other in (value[:cut], value + more):
        headers = list(request.headers)
        headers[index] = (key, other)
        outcome = answer(verifier, changed(request, headers=headers))
        if other.startswith(value) and more[:1] in b" ,;":
            continue  # another item after the signature: one that fits is enough
        assert is_refused(outcome)


@pytest.mark.parametrize("name", sorted(set(NAMES) - BODY_UNSIGNED - {"twilio", "braintree", "mandrill"}))
def test_a_truncated_or_longer_body_is_rejected(name: str):
    request = SIGNED[name]
    for body in (request.body[:-1], request.body + b" ", request.body + b"\n", b""):
        if name in PARTLY_SIGNED and body.strip() == request.body:
            continue
        assert is_refused(answer(VERIFIERS[name], changed(request, body=body)))


@pytest.mark.parametrize("name", NAMES)
def test_a_security_header_that_comes_twice_is_rejected(name: str):
    verifier = VERIFIERS[name]
    request = SIGNED[name]
    for key, value in request.headers:
        if key.lower() not in verifier.single_headers:
            continue
        for twin in (value, b"", b"x"):
            for headers in ([(key, twin), *request.headers], [*request.headers, (key.upper(), twin)]):
                outcome = answer(verifier, changed(request, headers=headers))
                assert isinstance(outcome, Rejected)
                assert (outcome.reason, outcome.status) == ("repeated header", 400)


@pytest.mark.parametrize("name", NAMES)
def test_without_headers_nothing_is_accepted(name: str):
    verifier = VERIFIERS[name]
    request = SIGNED[name]
    bare = changed(request, headers=[(b"Content-Type", b"application/json")])
    if any(is_proof(verifier, key) for key, _ in request.headers):
        assert is_refused(answer(verifier, bare))
    assert is_refused(answer(verifier, changed(bare, target=b"/", body=b"{}")))


@pytest.mark.parametrize("name", [name for name in NAMES if VERIFIERS[name].binding.tolerance is not None])
def test_the_tolerance_is_inclusive_to_both_sides(name: str):
    verifier = VERIFIERS[name]
    tolerance = verifier.binding.tolerance
    assert tolerance is not None
    request = SIGNED[name]
    for offset in (-tolerance, tolerance):
        assert isinstance(verifier.check(request, NOW + offset), Verified)
    for offset, reason in ((tolerance + 1, "stale timestamp"), (-tolerance - 1, "timestamp in the future")):
        outcome = answer(verifier, request, NOW + offset)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == reason
        assert outcome.reason in providers.CLOCK_REASONS


@pytest.mark.parametrize("name", [name for name in NAMES if VERIFIERS[name].binding.tolerance is not None])
def test_only_a_right_signature_is_told_that_its_time_is_wrong(name: str):
    request = SIGNED[name]
    forged = changed(
        request, headers=[(k, spoiled(v) if is_proof(VERIFIERS[name], k) else v) for k, v in request.headers]
    )
    outcome = answer(VERIFIERS[name], forged, NOW + 1_000_000)
    assert is_refused(outcome)
    if any(is_proof(VERIFIERS[name], key) for key, _ in request.headers):
        assert str(outcome) not in providers.CLOCK_REASONS


def spoiled(value: bytes) -> bytes:
    return value[:-2] + (b"11" if value.endswith(b"00") else b"00")


headers = st.lists(
    st.tuples(
        st.sampled_from(
            sorted({header for verifier in VERIFIERS.values() for header in verifier.plan.wanted} | {b"content-type"})
        ),
        st.one_of(
            st.binary(max_size=80),
            st.sampled_from(
                [
                    b"t=1,v1=,v1==,t",
                    b"v1,",
                    b"v1,a,b  v1a,!!",
                    b"sha256=",
                    b"sha256=" + b"0" * 64,
                    b"v0=\xff",
                    b"Bearer a.b.c",
                    b"JWT e30.e30.e30",
                    b"Bearer " + base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=") + b".e30.AA",
                    b"Basic ###",
                    b"1767225600",
                    b"9" * 400,
                    b"1_767225600",
                    b" 1767225600",
                    b"1e10",
                    b"2026-01-01T00:00:00Z",
                    b"9999-12-31T23:59:60+99:99",
                    "\u0661\u0662".encode(),
                    b"application/x-www-form-urlencoded",
                ]
            ),
        ),
    ),
    max_size=8,
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b"[" * 5_000,
            b'{"a":' * 3_000,
            b'{"value":[]}',
            b'{"value":[{"clientState":"' + b"x" * 200 + b'","encryptedContent":{}}],"validationTokens":["a.b.c"]}',
            b'{"signature":{"timestamp":"1767225600","token":"a","signature":"b"}}',
            b'{"notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":1}}}]}',
            b'{"notificationItems":[{"NotificationRequestItem":[]}]}',
            b'{"Type":"Notification","SigningCertURL":"https://sns.us-east-1.amazonaws.com/a.pem","Signature":"AA==",'
            b'"SignatureVersion":"1","Message":1}',
            b'{"verification_token":1}',
            b"bt_signature=%7C&bt_payload=AA",
            b"bt_signature=practice_public_key%7C\xff&bt_payload=%ff",
            b"mandrill_events=%5B%5D",
            b"a=1&" * 2_000,
            b"%" * 100,
            b"payload=%7B%22type%22%3A1%7D",
            b'{"id":"\\ud800","type":"\\u0000"}',
            b'\xef\xbb\xbf{"id":1}',
            b'{"id":' + b"9" * 5_000 + b',"type":' + b"9" * 300 + b',"created":1e400}',
        ]
    ),
)
targets = st.one_of(
    st.binary(max_size=60).map(lambda tail: b"/webhooks/x?" + tail),
    st.sampled_from(
        [
            b"/?validationToken=%ff%00",
            b"/?crc_token=abc",
            b"/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=practice",
            b"/?challenge=",
            b"/?bt_challenge=zz",
            b"/?secret=%ff",
            b"/?jwt=a.b.c",
            b"*",
            b"",
        ]
    ),
)
methods = st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "PUT"])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(method=methods, target=targets, headers=headers, body=bodies, now=st.sampled_from([0.0, NOW, 4e9]))
def test_any_input_ends_in_one_of_four_answers(
    name: str, method: str, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes, now: float
):
    request = Request(method=method, target=target, headers=headers, body=body, received_at=now)
    outcome = answer(VERIFIERS[name], request, now)
    assert not isinstance(outcome, Verified)


edits = st.lists(
    st.tuples(
        st.sampled_from(["body", "target", "name", "value"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 20),
        st.sampled_from(
            [b"", b"\0", b"\xff", b'"', b"{", b"[", b",", b"null", b"1e999", b"\\ud800", b"%ff", b"&", b"=", b"."]
        ),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(edits=edits, afresh=st.booleans())
def test_a_damaged_request_ends_in_one_of_four_answers(
    name: str, edits: list[tuple[str, float, int, bytes]], afresh: bool
):
    """Genuine requests with holes and splinters get further than garbage; signed afresh, to the very end."""
    request = SIGNED[name]
    for place, where, length, splinter in edits:
        if place == "body":
            request = changed(request, body=damaged(request.body, where, length, splinter))
        elif place == "target":
            request = changed(request, target=damaged(request.target, where, length, splinter))
        elif request.headers:
            index = int(where * len(request.headers))
            key, value = request.headers[index]
            pair = (
                (damaged(key, where, length, splinter), value) if place == "name" else (key, splinter + value[length:])
            )
            request = changed(request, headers=[*request.headers[:index], pair, *request.headers[index + 1 :]])
    if afresh:
        try:
            request = signed(name, VERIFIERS[name], body=request.body)
        except ConfigError:
            return  # its signature is inside a body that is no longer one
    answer(VERIFIERS[name], request)


def damaged(text: bytes, where: float, length: int, splinter: bytes) -> bytes:
    at = int(where * len(text))
    return text[:at] + splinter + text[at + length :]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"mailgun", "msgraph", "adyen", "aws-sns", "paypal"}))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies.filter(bool))
def test_whatever_is_signed_is_kept(name: str, body: bytes):
    """Once the signature holds no event is lost for its shape, its id or its type."""
    verifier = VERIFIERS[name]
    if name in ("braintree", "mandrill") or (name == "linear" and b"webhookTimestamp" in body):
        return
    if name == "twitter":  # a bare word may be a challenge that somebody had signed; X's events are objects
        body = b"{" + body
    try:
        request = signed(name, verifier, body=body, id="msg_1")
    except ConfigError:
        pytest.fail("any bytes can be signed")
    outcome = answer(verifier, request)
    assert isinstance(outcome, Verified | Reply), outcome
    for event in outcome.events if isinstance(outcome, Verified) else []:
        assert event.type
        assert event.id is None or 0 < len(event.id) <= 255
        assert len(verifier.digest(event)) == 16
        event.type.encode()  # no surrogates
        assert "\0" not in event.type + (event.id or "") + (event.subject or "")


def test_a_signed_url_does_not_vouch_for_a_body():
    """Twilio's GET covers the URL alone; with a body of somebody's own it would be a forged event."""
    verifier = VERIFIERS["twilio"]
    request = verifier.sign(b"", now=NOW, method="GET").request(NOW)
    assert isinstance(answer(verifier, request), Verified)
    for body in (b"MessageSid=SM1&Body=pay", b"{}"):
        assert is_refused(answer(verifier, changed(request, body=body)))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_whether_the_url_is_signed(name: str):
    """What is signed for one URL does not fit at another, and nowhere else does the URL matter."""
    practice = providers.practice(name)
    source = Source(
        name=name,
        provider=name,
        environment="",
        path="/",
        url="https://elsewhere.example.com/another",
        options=practice.options,
    )
    elsewhere = providers.bind(source, practice.secrets, practice.keys)
    assert is_refused(answer(elsewhere, SIGNED[name])) == providers.PROVIDERS[name].signs_url


def test_the_scheme_of_a_token_is_not_the_tokens_choice():
    verifier = VERIFIERS["jwt"]
    good = dict(SIGNED["jwt"].headers)[b"Authorization"].decode()
    _, claims, signature = good.removeprefix("Bearer ").split(".")
    for algorithm in ("none", "None", "HS512", "RS256", ""):
        forged = base64.urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).rstrip(b"=").decode()
        for tail in (signature, ""):
            headers = [(b"Authorization", f"Bearer {forged}.{claims}.{tail}".encode())]
            request = Request(method="POST", target=b"/", headers=headers, body=body_for("jwt"), received_at=NOW)
            assert is_refused(answer(verifier, request))


def test_an_unknown_key_is_asked_for_and_not_blamed_on_the_sender():
    practice = providers.practice("plaid")
    source = Source(name="plaid", provider="plaid", environment="", path="/", url="https://h.example/")
    keys = providers.Keys()
    verifier = providers.bind(source, [], keys)
    for _ in range(3):
        with pytest.raises(Unavailable):
            verifier.check(SIGNED["plaid"], NOW)
    assert list(keys.wanted) == ["https://production.plaid.com/webhook_verification_key/get"]
    keys = practice.keys
    assert isinstance(providers.bind(source, [], keys).check(SIGNED["plaid"], NOW), Verified)


def test_strangers_cannot_fill_the_memory_with_key_ids():
    keys = providers.Keys()
    for number in range(1_000):
        for url in (f"https://sns.us-east-1.amazonaws.com/{number}.pem", "https://one.example/keys"):
            with pytest.raises(Unavailable):
                keys.get(url, str(number))
    assert sum(len(kids) for kids in keys.wanted.values()) <= 64


def test_a_batch_of_more_than_a_thousand_is_one_event_for_a_person_to_see():
    for count, events, note in ((1_000, 1_000, ""), (1_001, 1, "batch of more than 1000 items")):
        body = json.dumps([{"event": "open", "sg_event_id": str(n)} for n in range(count)]).encode()
        result = VERIFIERS["sendgrid"].check(signed("sendgrid", body=body), NOW)
        assert isinstance(result, Verified)
        assert (len(result.events), result.note) == (events, note)


def test_a_batch_can_be_kept_whole():
    verifier = practised("sendgrid", batch="whole")
    body = b'[{"event":"open","sg_event_id":"1"},{"event":"click","sg_event_id":"2"}]'
    result = verifier.check(signed("sendgrid", verifier, body=body), NOW)
    assert isinstance(result, Verified)
    assert [event.body for event in result.events] == [body]


def test_items_of_a_batch_keep_their_bytes():
    body = b'[ {"event" :"open",  "sg_event_id":"1"} , {"sg_event_id":"2","event":"click"}]\r\n'
    result = VERIFIERS["sendgrid"].check(signed("sendgrid", body=body), NOW)
    assert isinstance(result, Verified)
    assert [event.body for event in result.events] == [
        b'{"event" :"open",  "sg_event_id":"1"}',
        b'{"sg_event_id":"2","event":"click"}',
    ]
    assert [(event.id, event.type) for event in result.events] == [("1", "open"), ("2", "click")]


def test_an_empty_batch_is_answered_and_no_event():
    assert isinstance(VERIFIERS["sendgrid"].check(signed("sendgrid", body=b"[]\r\n"), NOW), Reply)
