"""Amazon SNS: RSA inside the body, by a certificate that Amazon publishes. Anybody can own a topic: pin yours."""

from __future__ import annotations

import binascii
import re
from typing import Any

import msgspec

from hookline.errors import ConfigError, Rejected
from hookline.payload import parse
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MALFORMED, MISSING, Draft, Facts
from hookline.providers.fields import Time, first, moment
from hookline.providers.schemes.base import Binding, Match
from hookline.providers.schemes.publickey import SHA1, SHA256, PrivateKey, make, read_key, strict_base64, verify

_CERTIFICATE = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?/[A-Za-z0-9_-]{1,128}\.pem").fullmatch
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_DIGESTS = {"1": SHA1, "2": SHA256}
TEST_CERTIFICATE = "https://sns.us-east-1.amazonaws.com/test.pem"


class Sns(msgspec.Struct, frozen=True):
    def headers(self) -> tuple[str, ...]:
        return ("x-amz-sns-message-type",)

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> SnsCheck:
        said = binding.options.get("topic_arn") or binding.options.get("topic_arns")
        topics = [said] if isinstance(said, str) else said
        if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
            raise ConfigError(
                f"{binding.where}.topic_arn: missing — name yours, for anybody can point a topic of theirs here"
            )
        private = None
        if binding.secrets and "PRIVATE KEY-----" in binding.secrets[0]:
            private = read_key(binding.secrets[0], "rsa", binding.secret_at(0))[1]
        return SnsCheck(topics, binding, private)


class SnsCheck:
    sends_secret = False

    def __init__(self, topics: list[str], binding: Binding, private: PrivateKey | None) -> None:
        self.topics = topics
        self.keys = binding.keys
        self.where = binding.where
        self.private = private

    def check(self, facts: Facts) -> Match:
        value = facts.json
        if not isinstance(value, dict):
            raise Rejected(MISSING)
        url, given, version = (value.get(name) for name in ("SigningCertURL", "Signature", "SignatureVersion"))
        if not isinstance(url, str) or not isinstance(given, str):
            raise Rejected(MISSING)
        digest = _DIGESTS.get(str(version))
        if digest is None:
            raise Rejected("wrong algorithm")
        if not _CERTIFICATE(url):
            raise Rejected("foreign certificate")
        text = signed_text(value)
        try:
            signature = strict_base64(given.encode("ascii"))
        except ValueError as problem:
            raise Rejected(MALFORMED) from problem
        if binascii.b2a_base64(signature, newline=False).decode() != given:
            raise Rejected(MALFORMED)
        if not verify(self.keys.get(url), signature, text, digest()):
            raise Rejected(BAD)
        if value.get("TopicArn") not in self.topics:
            raise Rejected("wrong topic")
        return Match(0, moment(value.get("Timestamp"), "iso"))

    def sign(self, draft: Draft) -> None:
        if self.private is None:
            raise ConfigError(f"{self.where}: only the provider has the private key, so nothing can be signed here")
        value = parse(draft.body)
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where}: an SNS message is a JSON object")
        value |= {"TopicArn": self.topics[0], "SignatureVersion": "2", "SigningCertURL": TEST_CERTIFICATE}
        try:
            text = signed_text(value)
        except Rejected:
            raise ConfigError(f"{self.where}: an SNS message has a Type and all of its fields as texts") from None
        signature = make(self.private, text, SHA256())
        value["Signature"] = binascii.b2a_base64(signature, newline=False).decode()
        draft.body = msgspec.json.encode(value)
        draft.set("x-amz-sns-message-type", str(value.get("Type", "")))


def signed_text(value: dict[str, Any]) -> bytes:
    """The fields of its kind, name and value on a line each, in the order of their names."""
    fields = _SIGNED.get(str(value.get("Type")))
    if fields is None:
        raise Rejected(MALFORMED)
    lines = []
    for name in fields:
        said = value.get(name)
        if said is None and name == "Subject":
            continue
        if not isinstance(said, str):
            raise Rejected(MALFORMED)
        lines.append(f"{name}\n{said}\n")
    return "".join(lines).encode("utf-8", "surrogatepass")


SNS = Provider(
    name="aws-sns",
    title="Amazon SNS",
    docs="https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
    scheme=Sns(),
    credential="none: Amazon's certificate is fetched",
    no_secret=True,
    type=first("body.Type"),
    id="body.MessageId",
    occurred_at=Time("body.Timestamp", "iso"),
    subject=first("body.Subject", "body.TopicArn"),
    note=lambda event: "open SubscribeURL to confirm" if event.type == "SubscriptionConfirmation" else "",
    deadline=15,
    options=frozenset({"topic_arn", "topic_arns"}),
    signs_time=True,
    signs_id=True,
    notes="A subscription starts with a message of type SubscriptionConfirmation: open its SubscribeURL once.",
)

ROWS = (SNS,)
