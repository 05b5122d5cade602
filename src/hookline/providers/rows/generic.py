"""Schemes without a provider: what a user configures, without code, for in-house senders and everybody not listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hookline.errors import ConfigError
from hookline.providers import handshakes
from hookline.providers.base import Provider
from hookline.providers.facts import Facts
from hookline.providers.fields import Time, first
from hookline.providers.schemes.base import Binding, Stamp
from hookline.providers.schemes.hmac import Hmac, Items
from hookline.providers.schemes.jwt import ALGORITHMS, Claims, Jwt, body_hash, expect, expect_hash
from hookline.providers.schemes.publickey import Asymmetric
from hookline.providers.schemes.shared import Authorization, Token
from hookline.providers.schemes.standard import StandardWebhooks

UNITS = ("s", "ms", "iso")
KEYS = ("text", "hex", "base64", "whsec")


def table(options: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> dict[str, Any]:
    """A sub-table of a source's options, with no keys but the allowed ones. ConfigError otherwise."""
    value = options.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f'{where}.{key}: a table is wanted, as in {key} = {{ {allowed[0]} = "…" }}')
    for name in value:
        if name not in allowed:
            raise ConfigError(f"{where}.{key}.{name}: not known; use {', '.join(allowed)}")
    return dict(value)


def word(value: Mapping[str, Any], key: str, default: str, where: str, one_of: tuple[str, ...] = ()) -> str:
    said = value.get(key, default)
    if not isinstance(said, str) or (one_of and said not in one_of):
        wanted = f"one of {', '.join(one_of)}" if one_of else "a text is wanted"
        raise ConfigError(f"{where}.{key}: {wanted}")
    return said


def header(value: Mapping[str, Any], where: str) -> str:
    name = word(value, "header", "", where)
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", name):
        raise ConfigError(f'{where}.header: a header\'s name is wanted, as in "X-Signature"')
    return name


def seconds(value: object, where: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})(?:\.0)?(s|m|h)?", str(value).strip())
    if not found:
        raise ConfigError(f'{where}: a time is wanted, as in "5m"')
    return int(found[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2] or "s"]


_ITEMS = ("separator", "assign", "label", "time")
_SIGNATURE = ("header", "algorithm", "encoding", "prefix", "signs", "key", "repeats", *_ITEMS)


def _hmac(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    at = f"{where}.signature"
    said = table(options, "signature", _SIGNATURE, where)
    items = None
    if any(name in said for name in _ITEMS):
        items = Items(
            separator=word(said, "separator", ",", at) or ",",
            assign=word(said, "assign", "=", at) or "=",
            signature=word(said, "label", "v1", at),
            time=word(said, "time", "", at),
        )
    stamp, tolerance = _timestamp(options, where, inside=bool(items and items.time))
    signs = word(said, "signs", "{timestamp}.{body}" if stamp else "{body}", at)
    _covers(signs, stamp, where)
    scheme = Hmac(
        header=header(said, at),
        algorithm=word(said, "algorithm", "sha256", at),
        encoding=word(said, "encoding", "hex", at),
        prefix="" if items else word(said, "prefix", "", at),
        signs=signs,
        items=items,
        time=stamp,
        key=word(said, "key", "text", at, KEYS),
        repeats=bool(said.get("repeats", False)),
    )
    return _configured(row, scheme, options, stamp, signs, tolerance)


def _ed25519(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    at = f"{where}.signature"
    said = table(options, "signature", ("header", "encoding", "signs"), where)
    stamp, tolerance = _timestamp(options, where, inside=False)
    signs = word(said, "signs", "{timestamp}{body}" if stamp else "{body}", at)
    _covers(signs, stamp, where)
    scheme = Asymmetric(
        kind="ed25519",
        header=header(said, at),
        encoding=word(said, "encoding", "hex", at, ("hex", "base64")),
        signs=signs,
        time=stamp,
    )
    return _configured(row, scheme, options, stamp, signs, tolerance)


def _timestamp(options: Mapping[str, Any], where: str, *, inside: bool) -> tuple[Stamp | None, float | None]:
    """Where the time is, and how old it may be. ``inside`` the signature's header it has no header of its own."""
    if "timestamp" not in options and not inside:
        return None, None
    at = f"{where}.timestamp"
    said = table(options, "timestamp", ("header", "unit", "tolerance"), where)
    stamp = Stamp(header="" if inside else header(said, at), unit=word(said, "unit", "s", at, UNITS))
    return stamp, seconds(said.get("tolerance", 300), f"{at}.tolerance")


def _covers(signs: str, stamp: Stamp | None, where: str) -> None:
    if "{timestamp}" in signs and stamp is None:
        raise ConfigError(
            f'{where}.timestamp: missing — {{timestamp}} is signed, so write timestamp = {{ header = "X-Time" }}'
        )
    if "{body}" not in signs:
        raise ConfigError(
            f"{where}.signature.signs: {{body}} is missing — a signature that does not cover the body proves nothing"
        )


def _configured(
    row: Provider, scheme: Any, options: Mapping[str, Any], stamp: Stamp | None, signs: str, tolerance: float | None
) -> Provider:
    """The row with its scheme. What the signature covers says what a replay could change."""
    name = str(options.get("id", ""))
    return msgspec.structs.replace(
        row,
        scheme=scheme,
        signs_time=stamp is not None and "{timestamp}" in signs,
        signs_url="{url}" in signs,
        signs_id=name.startswith("body.") or f"{{{name}}}".lower() in signs.lower(),
        tolerance=tolerance,
    )


def placed(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    """``token = { header = "X-Token", prefix = "Bearer " }``, or ``{ query = "secret" }``."""
    if "token" not in options:
        return row
    at = f"{where}.token"
    said = table(options, "token", ("header", "query", "prefix"), where)
    if ("header" in said) == ("query" in said):
        raise ConfigError(f'{at}: either header = "X-Token" or query = "secret" is wanted')
    place = f"header.{header(said, at)}" if "header" in said else f"query.{word(said, 'query', '', at)}"
    return msgspec.structs.replace(row, scheme=Token(place=place, prefix=word(said, "prefix", "", at)))


def _token(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    if "token" not in options:
        raise ConfigError(f'{where}.token: missing — write token = {{ header = "X-Token" }} or {{ query = "secret" }}')
    return placed(row, options, where)


def _jwt(row: Provider, options: Mapping[str, Any], where: str) -> Provider:
    at = f"{where}.token"
    said = table(options, "token", ("header", "prefix", "query", "algorithm", "keys_url"), where)
    url = word(said, "keys_url", "", at)
    if url and not url.startswith("https://"):
        raise ConfigError(f"{at}.keys_url: an https URL is wanted")
    hashed = word(options, "body_hash", "", where)
    for name in ("issuer", "audience"):
        word(options, name, "", where)

    def judge(claims: Claims, facts: Facts, binding: Binding) -> None:
        expect(claims, "iss", options.get("issuer"), "wrong issuer")
        expect(claims, "aud", options.get("audience"), "wrong audience")
        if hashed:
            expect_hash(claims, hashed, facts.body)

    def claims(draft: Any, binding: Binding) -> Claims:
        own: Claims = {"iat": int(draft.now), "exp": int(draft.now) + 300}
        for claim, option in (("iss", "issuer"), ("aud", "audience")):
            if option in options:
                own[claim] = options[option]
        return own | ({hashed: body_hash(draft.body)} if hashed else {})

    scheme = Jwt(
        algorithm=word(said, "algorithm", "HS256", at, ALGORITHMS),
        header=header({"header": said.get("header", "Authorization")}, at),
        prefix=word(said, "prefix", "" if "header" in said else "Bearer ", at),
        query=word(said, "query", "", at),
        keys_url=url,
        judge=judge,
        claims=claims,
    )
    return msgspec.structs.replace(row, scheme=scheme, signs_time=True, no_secret=bool(url))


HMAC = Provider(
    name="hmac",
    title="Any sender that signs with an HMAC",
    docs="https://www.rfc-editor.org/rfc/rfc2104",
    scheme=Hmac(header="X-Signature"),
    credential="the text (or, with key = …, the hex or base64) that both sides share",
    options=frozenset({"signature", "timestamp"}),
    configure=_hmac,
)

TOKEN = Provider(
    name="token",
    title="Any sender that sends a shared token",
    docs="https://www.rfc-editor.org/rfc/rfc6750",
    scheme=Token(place="header.X-Token"),
    credential="the token",
    options=frozenset({"token"}),
    configure=_token,
    notes="Proves nothing about the body.",
)

BASIC = Provider(
    name="basic",
    title="Any sender with HTTP basic authentication",
    docs="https://www.rfc-editor.org/rfc/rfc7617",
    scheme=Authorization(forms=("basic",)),
    credential="user:password",
    notes="Proves nothing about the body.",
)

ED25519 = Provider(
    name="ed25519",
    title="Any sender that signs with Ed25519",
    docs="https://www.rfc-editor.org/rfc/rfc8032",
    scheme=Asymmetric(kind="ed25519", header="X-Signature", encoding="hex"),
    credential="the public key, as hex, base64 or PEM",
    options=frozenset({"signature", "timestamp"}),
    configure=_ed25519,
)

JWT = Provider(
    name="jwt",
    title="Any sender with a JSON Web Token",
    docs="https://www.rfc-editor.org/rfc/rfc7519",
    scheme=Jwt(algorithm="HS256", judge=lambda *_: None, claims=lambda draft, binding: {}),
    credential="the shared secret (HS256), or the public key in PEM (RS256, ES256, EdDSA)",
    options=frozenset({"token", "issuer", "audience", "body_hash"}),
    configure=_jwt,
    notes="Covers the body only with body_hash, the claim that holds its SHA-256.",
)

STANDARD = Provider(
    name="standard-webhooks",
    title="Standard Webhooks",
    docs="https://www.standardwebhooks.com",
    scheme=StandardWebhooks(),
    credential="whsec_… (shared), or whpk_… (the sender's public key)",
    type=first("body.type", "body.event_type"),
    id="header.webhook-id",
    occurred_at=Time("body.timestamp"),
    subject=first("body.data.id"),
    tolerance=300,
    deadline=15,
    signs_time=True,
    signs_id=True,
)

SVIX = Provider(
    name="svix",
    title="Svix",
    docs="https://docs.svix.com/receiving/verifying-payloads/how",
    scheme=StandardWebhooks(prefixes=("svix-", "webhook-")),
    credential="the endpoint's signing secret, whsec_…",
    type=first("body.type", "body.event_type", "body.eventType"),
    id=first("header.svix-id", "header.webhook-id"),
    occurred_at=Time(first("body.timestamp", "body.created_at")),
    subject=first("body.data.id"),
    tolerance=300,
    deadline=15,
    signs_time=True,
    signs_id=True,
)

CONVOY = Provider(
    name="convoy",
    title="Convoy",
    docs="https://www.getconvoy.io/docs/product-manual/signatures",
    scheme=Hmac(header="X-Convoy-Signature", algorithm="sha512"),
    credential="the endpoint's secret",
    type=first("body.event_type", "body.type"),
    id="header.X-Convoy-Idempotency-Key",
    subject="body.data.id",
)

WEBSUB = Provider(
    name="websub",
    title="WebSub",
    docs="https://www.w3.org/TR/websub/",
    scheme=Hmac(header="X-Hub-Signature", prefix="sha256="),
    credential="hub.secret of the subscription",
    type=lambda facts: "content",
    unsigned_handshake=handshakes.websub,
    methods=frozenset({"POST", "GET"}),
    options=frozenset({"topic"}),
    notes="topic must be the one that you subscribed to, or the hub's question is refused.",
)

ROWS = (HMAC, TOKEN, BASIC, ED25519, JWT, STANDARD, SVIX, CONVOY, WEBSUB)
