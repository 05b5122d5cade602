"""Secrets to practise with: the demo and the tests sign and check by them, for every provider, without an account.

Where only the provider has the private key, a key of our own takes its place: it can sign, and its public half is where
the check looks for the provider's.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hookline.providers.keys import Keys
from hookline.providers.rows.cloud import GOOGLE_KEYS
from hookline.providers.rows.payments import PLAID_KEYS
from hookline.providers.rows.paypal import TEST_CERTIFICATE as PAYPAL_CERTIFICATE
from hookline.providers.rows.sns import TEST_CERTIFICATE as SNS_CERTIFICATE
from hookline.providers.schemes.publickey import PrivateKey


class Practice(msgspec.Struct, frozen=True):
    """What a source is bound to."""

    secrets: tuple[str, ...]
    options: dict[str, Any]
    keys: Keys
    published: bool = False
    """True where the public key is among ``keys``: the provider's would be fetched from a URL of theirs."""


_OPTIONS: dict[str, dict[str, Any]] = {
    "hmac": {
        "signature": {"header": "X-Signature", "prefix": "sha256=", "signs": "{timestamp}.{body}"},
        "timestamp": {"header": "X-Timestamp"},
        "id": "header.X-Id",
        "type": "body.type",
    },
    "token": {"token": {"header": "X-Token"}, "id": "body.id", "type": "body.type"},
    "basic": {"id": "body.id", "type": "body.type"},
    "ed25519": {
        "signature": {"header": "X-Signature"},
        "timestamp": {"header": "X-Timestamp"},
        "id": "body.id",
        "type": "body.type",
    },
    "jwt": {"issuer": "practice", "body_hash": "sha256", "id": "body.id", "type": "body.type"},
    "aws-sns": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:practice"},
    "paypal": {"webhook_id": "1JE4291016473214C"},
    "google-pubsub": {"audience": "https://hooks.example.com", "email": "push@practice.iam.gserviceaccount.com"},
    "jira-connect": {"client_key": "practice"},
    "whatsapp": {"verify_token": "practice"},
    "websub": {"topic": "https://example.com/feed"},
}
_SECRETS = {
    "adyen": "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
    "braintree": "practice_public_key:practice_private_key",
}
_BASIC = frozenset({"basic", "postmark", "pipedrive", "azure-devops"})
_STANDARD = frozenset({"standard-webhooks", "svix", "resend", "clerk", "gitlab"})
_KEYS = {
    "discord": "ed25519",
    "ed25519": "ed25519",
    "sendgrid": "ecdsa",
    "wise": "rsa",
    "plaid": "ecdsa",
    "google-pubsub": "rsa",
    "aws-sns": "rsa",
    "paypal": "rsa",
}
_PUBLISHED = {
    "plaid": (PLAID_KEYS, "test"),
    "google-pubsub": (GOOGLE_KEYS, "test"),
    "aws-sns": (SNS_CERTIFICATE, ""),
    "paypal": (PAYPAL_CERTIFICATE, ""),
}


def practice(name: str) -> Practice:
    """Secrets, options and keys with which a provider's requests can be both signed and checked on this machine."""
    options = _OPTIONS.get(name, {})
    keys = Keys()
    if name in _KEYS:
        private = _private(_KEYS[name])
        if name in _PUBLISHED:
            url, kid = _PUBLISHED[name]
            keys.put(url, _published(private, kid))
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return Practice((pem,), options, keys, name in _PUBLISHED)
    if name in _STANDARD:
        return Practice(("whsec_" + base64.b64encode(b"practice makes a webhook").decode(),), options, keys)
    if name in _BASIC:
        return Practice(("practice:makes perfect",), options, keys)
    return Practice((_SECRETS.get(name, "practice-makes-perfect"),), options, keys)


@lru_cache
def _private(kind: str) -> PrivateKey:
    """One for each kind and process: RSA takes a tenth of a second."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _published(private: PrivateKey, kid: str) -> bytes:
    """The public half as its provider publishes it: a PEM, or a set of JSON Web Keys."""
    public = private.public_key()
    if not kid:
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        jwk = {"kty": "RSA", "n": _number(numbers.n, 256), "e": _number(numbers.e, 3)}
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        point = public.public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": _number(point.x, 32), "y": _number(point.y, 32)}
    return msgspec.json.encode({"keys": [jwk | {"kid": kid}]})


def _number(value: int, length: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(length, "big")).rstrip(b"=").decode()
