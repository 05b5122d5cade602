"""Microsoft Graph: a word of ours in every notification; with content, tokens of Microsoft's as well."""

from __future__ import annotations

import base64
import re
from hmac import compare_digest
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hookline.errors import ConfigError, Rejected
from hookline.model import Reply
from hookline.payload import parse
from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import BAD, MISSING, Draft, Facts
from hookline.providers.fields import first, whole
from hookline.providers.items import UNREADABLE, Listed
from hookline.providers.schemes.base import Binding, Match
from hookline.providers.schemes.jwt import Claims, check_times, public_key_fits, read
from hookline.providers.schemes.mac import Mac, decode_key
from hookline.providers.schemes.shared import compare

KEYS_URL = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
PUBLISHER = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""The application that Microsoft sends change notifications as."""
MAX_TOKENS = 50
_TENANT = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_ISSUER = re.compile(rf"https://(?:sts\.windows\.net/{_TENANT}/|login\.microsoftonline\.com/{_TENANT}/v2\.0)").fullmatch


_NOTHING = msgspec.Raw(b"null")


class _Item(msgspec.Struct):
    client_state: str = msgspec.field(name="clientState", default="")
    encrypted: msgspec.Raw = msgspec.field(name="encryptedContent", default=_NOTHING)


class _Notification(msgspec.Struct):
    value: list[_Item]
    tokens: list[str] = msgspec.field(name="validationTokens", default_factory=list)


_decode = msgspec.json.Decoder(_Notification).decode


class Graph(msgspec.Struct, frozen=True):
    def headers(self) -> tuple[str, ...]:
        return ()

    def repeated(self) -> tuple[str, ...]:
        return ()

    def bind(self, binding: Binding) -> GraphCheck:
        for index, secret in enumerate(binding.need_secrets()):
            decode_key(secret, "text", binding.secret_at(index))
        return GraphCheck(binding)


class GraphCheck:
    sends_secret = True

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.expected = [(secret.encode(),) for secret in binding.secrets]

    def check(self, facts: Facts) -> Match:
        try:
            notification = _decode(facts.body)
        except UNREADABLE as problem:
            raise Rejected(MISSING) from problem
        if not notification.value:
            raise Rejected(MISSING)
        states = [item.client_state.encode("utf-8", "surrogatepass") for item in notification.value]
        matched = [compare(self.expected, state) for state in states]  # one foreign item refuses them all
        if any(bytes(item.encrypted) != b"null" for item in notification.value):
            self._check_tokens(notification.tokens, facts)
        return Match(matched[0])

    def sign(self, draft: Draft) -> None:
        value = parse(draft.body)
        items = value.get("value") if isinstance(value, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ConfigError("value: a list of notifications is wanted")
        for item in items:
            item["clientState"] = self.binding.secrets[0]
        draft.body = msgspec.json.encode(value)

    def _check_tokens(self, tokens: list[str], facts: Facts) -> None:
        if not tokens or len(tokens) > MAX_TOKENS:
            raise Rejected("missing token")
        for raw in tokens:
            token = read(raw.encode("utf-8", "surrogatepass"), "RS256")
            if not public_key_fits(token, self.binding.keys.get(KEYS_URL, token.kid)):
                raise Rejected(BAD)
            check_times(token.claims, facts.now)
            self._judge(token.claims)

    def _judge(self, claims: Claims) -> None:
        apps = self.binding.options.get("app_ids") or []
        apps = [apps] if isinstance(apps, str) else apps
        if not apps:
            raise Rejected("no app_ids configured")
        if claims.get("exp") is None or claims.get("aud") not in apps:
            raise Rejected("wrong audience")
        if not _ISSUER(str(claims.get("iss", ""))):
            raise Rejected("wrong issuer")
        if claims.get("appid", claims.get("azp")) != PUBLISHER:
            raise Rejected("wrong publisher")


def decrypt(content: dict[str, Any], private_key: str) -> bytes:
    """The JSON inside ``encryptedContent`` of a notification, with the private key (PEM) of its certificate.

    ValueError if it was not encrypted for this key, or was changed on its way; ConfigError if the key is no RSA key.
    """
    key = load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError("private_key: the RSA private key of the subscription's certificate is wanted, in PEM")
    try:
        parts = [base64.b64decode(content[name], validate=True) for name in ("dataKey", "data", "dataSignature")]
    except (KeyError, TypeError) as problem:
        raise ValueError("not encrypted content of Microsoft Graph") from problem
    wrapped, data, signature = parts
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)  # noqa: S303  Graph's choice
    symmetric = key.decrypt(wrapped, oaep)
    if not compare_digest(Mac(symmetric).digest((data,)), signature):
        raise ValueError("the content was changed on its way")
    decryptor = Cipher(algorithms.AES(symmetric), modes.CBC(symmetric[:16])).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


_CHANGE = "body.changeType"


def kind(facts: Facts) -> str | None:
    """``lifecycle.missed``, or the resource and what happened to it: ``message.created``."""
    value = parse(facts.document)
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("lifecycleEvent"), str):
        return f"lifecycle.{value['lifecycleEvent']}"
    change = value.get("changeType")
    resource = value.get("resourceData")
    named = resource.get("@odata.type") if isinstance(resource, dict) else None
    if not isinstance(named, str) or not isinstance(change, str):
        return change if isinstance(change, str) else None
    name = named.rpartition(".")[2].lstrip("#")
    return f"{name[:1].lower()}{name[1:]}.{change}"


def etag(facts: Facts) -> str | None:
    """A key with dots in it, which no path can name."""
    value = parse(facts.document)
    resource = value.get("resourceData") if isinstance(value, dict) else None
    said = resource.get("@odata.etag") if isinstance(resource, dict) else None
    return said if isinstance(said, str) else None


MSGRAPH = Provider(
    name="msgraph",
    title="Microsoft Graph",
    docs="https://learn.microsoft.com/graph/change-notifications-delivery-webhooks",
    scheme=Graph(),
    credential="the clientState given with the subscription",
    type=kind,
    id=first("body.id", whole(":", "body.subscriptionId", "body.resource", _CHANGE, etag)),
    subject=first("body.resourceData.id", "body.resource", "body.subscriptionId"),
    split=Listed("value"),
    unsigned_handshake=handshakes.graph,
    ack=Reply(202),
    deadline=3,
    options=frozenset({"app_ids"}),
    notes="Notifications with content need app_ids, the ids of your apps; decrypt() opens what is inside.",
)

ROWS = (MSGRAPH,)
