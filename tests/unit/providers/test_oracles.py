"""The official SDKs agree with us, but for the cases listed here, in which we are stricter."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import standardwebhooks
import stripe
import svix
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_cases import NOW, practised
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from hookline import providers
from hookline.errors import Rejected
from hookline.model import Request

SECRET = providers.practice("stripe").secrets[0]
WHSEC = providers.practice("svix").secrets[0]
URL = "https://hooks.example.com/webhooks/twilio"
TWILIO_TOKEN = providers.practice("twilio").secrets[0]

bodies = st.one_of(st.text(max_size=80), st.just('{"type":"a.b","data":{"n":1}}')).filter(
    lambda text: not any(0xD800 <= ord(char) <= 0xDFFF for char in text)
)
offsets = st.integers(-700, 700)
few = settings(max_examples=150, deadline=None)


def ours(name: str, request: Request, now: float = NOW) -> bool:
    try:
        practised(name).check(request, now)
    except Rejected:
        return False
    return True


def stripe_says(body: bytes, header: str, now: float) -> bool:
    with time_machine.travel(datetime.fromtimestamp(now, UTC), tick=False):
        try:
            return stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, 300)
        except stripe.SignatureVerificationError:
            return False


@few
@given(text=bodies, offset=offsets)
def test_stripe_agrees_but_for_the_future(text: str, offset: int):
    signed = practised("stripe").sign(text.encode(), now=NOW)
    header = dict(signed.headers)[b"Stripe-Signature"].decode()
    they, we = stripe_says(signed.body, header, NOW + offset), ours("stripe", signed.request(NOW), NOW + offset)
    if offset < -300:  # stricter: theirs does not bound the future
        assert (they, we) == (True, False)
    else:
        assert they == we


@pytest.mark.parametrize(
    ("header", "they", "we"),
    [
        ("t={t},v1={s}", True, True),
        ("t={t},v1={s},v1=00", True, True),
        ("t={t},v0={s}", False, False),
        ("v1={s},t={t}", True, True),
        ("t={t}, v1={s}", False, True),  # looser: a space after the comma, which no signature can hide in
        ("t= {t},v1={s}", True, False),  # stricter: a time is digits and nothing else
        ("t={t},t={t},v1={s}", True, False),  # stricter: one time, not the last of several
        ("t={t},v1={S}", False, False),
        ("t={t}", False, False),
        ("v1={s}", False, False),
    ],
)
def test_stripe_headers_of_odd_shapes(header: str, they: bool, we: bool):
    signed = practised("stripe").sign(b"{}", now=NOW)
    time_part, signature = dict(signed.headers)[b"Stripe-Signature"].decode().split(",")
    said = header.format(t=time_part[2:], s=signature[3:], S=signature[3:].upper())
    request = Request(
        method="POST", target=b"/", headers=[(b"Stripe-Signature", said.encode())], body=b"{}", received_at=NOW
    )
    assert ours("stripe", request) == we
    assert stripe_says(b"{}", said, NOW) == they


@few
@given(
    fields=st.lists(
        st.tuples(
            st.sampled_from(["Body", "From", "To", "MessageSid", "Digits"]),
            st.text(st.characters(codec="utf-8"), max_size=12),
        ),
        max_size=6,
    )
)
def test_twilio_signs_forms_as_we_check_them(fields: list[tuple[str, str]]):
    form: dict[str, list[str]] = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    theirs = RequestValidator(TWILIO_TOKEN).compute_signature(URL, _multi(form))
    body = urlencode(fields).encode()
    request = Request(
        method="POST",
        target=b"/webhooks/twilio",
        headers=[(b"X-Twilio-Signature", theirs.encode()), (b"Content-Type", b"application/x-www-form-urlencoded")],
        body=body,
        received_at=NOW,
    )
    assert ours("twilio", request)
    signed = practised("twilio").sign(body, now=NOW, content_type="application/x-www-form-urlencoded")
    assert dict(signed.headers)[b"X-Twilio-Signature"].decode() == theirs


def test_twilio_checks_the_hash_of_json_as_we_sign_it():
    signed = practised("twilio").sign(b'{"a": 1}', now=NOW)
    validator = RequestValidator(TWILIO_TOKEN)
    assert validator.validate(signed.url, signed.body.decode(), dict(signed.headers)[b"X-Twilio-Signature"].decode())
    assert ours("twilio", signed.request(NOW))


class _multi:
    """What the SDK expects of a framework's form: a mapping with getlist."""

    def __init__(self, form: dict[str, list[str]]) -> None:
        self.form = form

    def __len__(self) -> int:
        return len(self.form)

    def __iter__(self) -> Any:
        return iter(self.form)

    def getlist(self, name: str) -> list[str]:
        return self.form[name]

    def __getitem__(self, name: str) -> str:
        return self.form[name][-1]


@few
@given(text=bodies, offset=offsets)
def test_slack_agrees(text: str, offset: int):
    signed = practised("slack").sign(text.encode(), now=NOW)
    headers = {name.decode(): value.decode() for name, value in signed.headers}
    with time_machine.travel(datetime.fromtimestamp(NOW + offset, UTC), tick=False):
        they = SignatureVerifier(providers.practice("slack").secrets[0]).is_valid_request(text.encode(), headers)
    assert they == ours("slack", signed.request(NOW), NOW + offset)


@few
@given(text=bodies, offset=offsets, name=st.sampled_from(["svix", "standard-webhooks"]))
def test_svix_and_standard_webhooks_agree(text: str, offset: int, name: str):
    signed = practised(name).sign(text.encode(), now=NOW, id="msg_1")
    headers = {key.decode().lower(): value.decode() for key, value in signed.headers}
    library: Any = svix.Webhook(WHSEC) if name == "svix" else standardwebhooks.Webhook(WHSEC)
    with time_machine.travel(datetime.fromtimestamp(NOW + offset, UTC), tick=False):
        they = library_accepts(library, signed.body, headers)
    assert they == ours(name, signed.request(NOW), NOW + offset)


@few
@given(text=bodies)
def test_what_their_libraries_sign_we_accept(text: str):
    moment = datetime.fromtimestamp(NOW, UTC)
    stamp = str(int(NOW))
    for name, library in (("svix", svix.Webhook(WHSEC)), ("standard-webhooks", standardwebhooks.Webhook(WHSEC))):
        prefix = "svix-" if name == "svix" else "webhook-"
        signature = library.sign(msg_id="msg_1", timestamp=moment, data=text)
        headers = [(f"{prefix}{k}".encode(), v.encode()) for k, v in (("id", "msg_1"), ("timestamp", stamp))]
        headers.append((f"{prefix}signature".encode(), signature.encode()))
        assert ours(name, Request(method="POST", target=b"/", headers=headers, body=text.encode(), received_at=NOW))
    slack = SignatureVerifier(providers.practice("slack").secrets[0])
    signature = slack.generate_signature(timestamp=stamp, body=text) or ""
    headers = [(b"X-Slack-Request-Timestamp", stamp.encode()), (b"X-Slack-Signature", signature.encode())]
    assert ours("slack", Request(method="POST", target=b"/", headers=headers, body=text.encode(), received_at=NOW))


def library_accepts(library: Any, body: bytes, headers: dict[str, str]) -> bool:
    """The signature and the time; what it then does with a body that is not JSON is not our subject."""
    try:
        library.verify(body.decode(), headers)
    except (svix.WebhookVerificationError, standardwebhooks.WebhookVerificationError):
        return False
    except ValueError:
        return True
    return True


@pytest.mark.parametrize("stamp", ["1_767_225_600", " 1767225600", "1767225600.0", "+1767225600"])
def test_standard_webhooks_times_are_digits_and_nothing_else(stamp: str):
    """Stricter than the library: what ``float()`` and ``int()`` forgive is no timestamp."""
    signature = _sign(stamp, "{}")
    headers = [
        (b"webhook-id", b"msg_1"),
        (b"webhook-timestamp", stamp.encode()),
        (b"webhook-signature", signature.encode()),
    ]
    request = Request(method="POST", target=b"/", headers=headers, body=b"{}", received_at=NOW)
    assert not ours("standard-webhooks", request)


def test_an_id_with_a_dot_is_refused_because_its_border_could_be_moved():
    """The library accepts the same signature for another id, time and body."""
    body = '{"x":1}'
    signed = _sign("1767225600", f"X.1767225600.{body}", name="m1")
    moved = {
        "webhook-id": "m1.1767225600.X",
        "webhook-timestamp": "1767225600",
        "webhook-signature": signed,
    }
    with time_machine.travel(datetime.fromtimestamp(NOW, UTC), tick=False):
        assert library_accepts(standardwebhooks.Webhook(WHSEC), body.encode(), moved)
    headers = [(name.encode(), value.encode()) for name, value in moved.items()]
    request = Request(method="POST", target=b"/", headers=headers, body=body.encode(), received_at=NOW)
    with pytest.raises(Rejected) as no:
        practised("standard-webhooks").check(request, NOW)
    assert no.value.reason == "malformed id"


def _sign(stamp: str, text: str, name: str = "msg_1") -> str:
    key = base64.b64decode(WHSEC.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{stamp}.{text}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
